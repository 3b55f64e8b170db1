// The public names of `millrace/client`.

export { Producer } from './producer/producer.js'
export type { HeadersInput, ProducerRecord } from './producer/producer.js'
export type { BatchResult, Partitioner, ProducerSettings } from './producer/settings.js'
export type { RecordHeaders, RecordMetadata } from './producer/batch.js'
export { ClientError, KafkaError } from './errors.js'
export type { ClientErrorCode } from './errors.js'
export type { ClientSettings } from './cluster/settings.js'
export { TcpTransport } from './tcp-transport.js'
export type { BrokerAddress, Connection, Transport } from './transport.js'
