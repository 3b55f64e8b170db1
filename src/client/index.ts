// The public names of `millrace/client`.

export { Producer } from './producer/producer.js'
export type { HeadersInput, ProducerRecord } from './producer/producer.js'
export type { BatchResult, Partitioner, ProducerSettings } from './producer/settings.js'
export type { RecordHeaders, RecordMetadata } from './producer/batch.js'
export { Consumer } from './consumer/consumer.js'
export type { AssignorName, ConsumerSettings, RebalanceListener } from './consumer/settings.js'
export { BatchRecordCursor, ConsumerBatch } from './consumer/fetched.js'
export type { ConsumerRecord } from './consumer/fetched.js'
export type { OffsetAndMetadata, OffsetToCommit } from './consumer/group-offsets.js'
export type { StallReason, StallReport } from './consumer/stall.js'
export { Admin } from './admin/admin.js'
export type { AdminSettings } from './admin/admin.js'
export type { AdminCallOptions, ChangeOptions } from './admin/requests.js'
export type { CreatedTopic, NewTopic, RecordsToDelete, TopicDescription, TopicListing } from './admin/topics.js'
export type {
  ConfigChange,
  ConfigDescription,
  ConfigEntry,
  ConfigResource,
  ConfigResourceChange,
  ConfigResourceType,
  ConfigSource,
} from './admin/configs.js'
export type { GroupOffset, OffsetToSet, ResetTarget } from './admin/group-offsets.js'
export type { GroupDescription, GroupListing } from './admin/groups.js'
export type { QuorumDescription, QuorumMember, Reassignment, ReplicaAssignment } from './admin/replicas.js'
export type { ClusterDescription, LogDirDescription } from './admin/cluster-info.js'
export { ClientError, KafkaError } from './errors.js'
export type { ClientErrorCode } from './errors.js'
export type { ClientSettings } from './cluster/settings.js'
export { TcpTransport } from './tcp-transport.js'
export type { BrokerAddress, Connection, Transport } from './transport.js'
