// The engine inside a process: a whole node without sockets (or with some), and clients that reach it without one. The thread
// coordinator runs on the calling thread, partitions on `workers` threads, or on the calling thread too with `workers: 0`.

import { resolve } from 'node:path'
import { type Broker, startBroker } from '../broker/broker.js'
import { loadStaticConfig } from '../broker/config/static-config.js'
import { Admin, type AdminOptions } from '../client/admin/admin.js'
import { Consumer, type ConsumerOptions } from '../client/consumer/consumer.js'
import { Producer, type ProducerOptions } from '../client/producer/producer.js'
import type { Logger } from '../env/env.js'
import { silentLogger } from '../env/real.js'
import { InProcessTransport } from './in-process-transport.js'

export interface OpenOptions {
  /** Where the data lies; created when missing. Several: as `log.dirs`. */
  readonly dataDir: string | readonly string[]
  /** Threads that own partitions. 0: the calling thread does, for scripts. Default 1. */
  readonly workers?: number
  /** Also serve Kafka clients on these addresses. Port 0 takes a free one. Default: none. */
  readonly listen?: { readonly host?: string; readonly port: number } | readonly { readonly host?: string; readonly port: number }[]
  /** Default 1. */
  readonly nodeId?: number
  /** Settings under Kafka's names, e.g. `{ 'num.partitions': 12 }`. An unknown one is refused. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>
  /** Default: nothing is logged. */
  readonly logger?: Logger
  /** Level of the workers' own JSON lines on stderr. Default `silent`. */
  readonly logLevel?: string
  /** Told while an unclean stop is recovered from. */
  readonly onProgress?: (text: string) => void
}

type InProcess<Options> = Omit<Options, 'bootstrapServers' | 'transport'>

/**
 * An open engine. Its clients speak the same API as over the network.
 *
 * @example
 * const millrace = await open({ dataDir: './data' })
 * const producer = millrace.producer()
 * await producer.send({ topic: 'events', key: 'a', value: 'hello' })
 * await millrace.close()
 */
export class Millrace {
  private readonly broker: Broker
  private readonly clients = new Set<{ close(): Promise<void> }>()

  /** Use `open`. */
  constructor(broker: Broker) {
    this.broker = broker
  }

  get nodeId(): number {
    return this.broker.nodeId
  }

  get clusterId(): string {
    return this.broker.clusterId
  }

  /** Where Kafka clients reach it, in the order of `listen`; empty without sockets. */
  get addresses(): readonly { readonly host: string; readonly port: number }[] {
    return this.broker.addresses
  }

  /** Milliseconds from the call of `open` to ready, without the loading of modules. */
  get startMs(): number {
    return this.broker.startMs
  }

  /** A producer into this engine. Closed with it, if not before. */
  producer(options: InProcess<ProducerOptions> = {}): Producer {
    return this.keep(new Producer({ ...options, transport: new InProcessTransport(this.broker) }))
  }

  /** A consumer of this engine. Closed with it, if not before. */
  consumer(options: InProcess<ConsumerOptions> = {}): Consumer {
    return this.keep(new Consumer({ ...options, transport: new InProcessTransport(this.broker) }))
  }

  /** Topics, settings, groups. Closed with the engine, if not before. */
  admin(options: InProcess<AdminOptions> = {}): Admin {
    return this.keep(new Admin({ ...options, transport: new InProcessTransport(this.broker) }))
  }

  /** Ends a worker as a crash would; its partitions come back by themselves. For tests of what survives. */
  killWorker(worker: number): Promise<void> {
    return this.broker.killWorker(worker)
  }

  /** Flushes and closes every client, then the engine. After it the data directory is free for another process. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.clients].map((client) => client.close()))
    await this.broker.close()
  }

  private keep<Client extends { close(): Promise<void> }>(client: Client): Client {
    this.clients.add(client)
    return client
  }
}

/**
 * Opens the engine on a data directory. Rejects when another process has the directory (ERR_MILLRACE_LOCKED), when a newer release
 * wrote it (ERR_MILLRACE_FORMAT), or when a setting is wrong (ERR_MILLRACE_CONFIG).
 */
export async function open(options: OpenOptions): Promise<Millrace> {
  const { properties, warnings } = loadStaticConfig({
    set: Object.entries(options.settings ?? {}).map(([name, value]) => `${name}=${value}`),
  })
  const logger = options.logger ?? silentLogger
  for (const warning of warnings) logger.warn({}, warning)
  const listen = options.listen === undefined ? [] : [options.listen].flat()
  const broker = await startBroker({
    nodeId: options.nodeId ?? 1,
    dataDirs: [options.dataDir].flat().map((dir) => resolve(dir)),
    listen: listen.map(({ host, port }) => ({ host: host ?? '127.0.0.1', port })),
    workers: options.workers ?? 1,
    properties,
    logger,
    logLevel: options.logLevel ?? 'silent',
    ...(options.onProgress ? { onProgress: options.onProgress } : {}),
  })
  return new Millrace(broker)
}
