// The public names of `millrace`, and nothing else.

export { Millrace, open, type OpenOptions } from './embedded/open.js'
export { type Broker, type BrokerOptions, startBroker } from './broker/broker.js'
