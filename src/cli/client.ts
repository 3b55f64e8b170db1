// How commands reach a cluster: through `millrace/client`, after one quick look whether anything listens at all, so that
// a wrong address is an answer in milliseconds rather than a wait.

import type {
  Consumer,
  ConsumerSettings,
  Producer,
  ProducerSettings,
  QuorumDescription,
  Reassignment,
  ReplicaAssignment,
} from '../client/index.js'
import { firstReachable } from './doctor/network.js'
import { CliError, ExitCode } from './errors.js'
import { bootstrapOf, timeoutOf } from './options.js'
import type { ClientFlags } from './options.js'

export interface TopicPartitionOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

export interface ClusterDescription {
  readonly clusterId: string
  /** -1 when there is none. */
  readonly controllerId: number
  readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number; readonly rack: string | null }[]
}

export interface TopicDescription {
  readonly name: string
  readonly id: string
  readonly internal: boolean
  readonly partitions: readonly {
    readonly partition: number
    readonly leader: number
    readonly replicas: readonly number[]
    readonly isr: readonly number[]
  }[]
}

export interface GroupSummary {
  readonly groupId: string
  readonly state: string
  readonly type: string
  readonly protocolType: string
}

export interface GroupDescription {
  readonly groupId: string
  readonly state: string
  readonly protocol: string
  readonly members: readonly {
    readonly memberId: string
    readonly clientId: string
    readonly host: string
    readonly partitions: readonly { readonly topic: string; readonly partition: number }[]
  }[]
}

export type ConfigKind = 'topic' | 'broker' | 'group'

export interface ConfigRow {
  readonly name: string
  readonly value: string | null
  /** `default`, `topic`, `staticBroker`, … */
  readonly source: string
  readonly readOnly: boolean
  readonly sensitive: boolean
}

export interface ConfigChange {
  readonly name: string
  readonly operation: 'set' | 'delete' | 'append' | 'subtract'
  readonly value: string | null
}

/** What the commands ask of an admin client, and nothing more. */
export interface AdminPort {
  describeCluster(): Promise<ClusterDescription>
  listTopics(): Promise<readonly string[]>
  /** Fails when one of them does not exist. */
  describeTopics(names: readonly string[]): Promise<readonly TopicDescription[]>
  createTopic(
    topic: { name: string; partitions: number; replicas: number; configs: ReadonlyMap<string, string> },
    validateOnly: boolean,
  ): Promise<{ partitions: number | null }>
  deleteTopics(names: readonly string[]): Promise<void>
  createPartitions(topic: string, count: number): Promise<void>
  /** A number is a timestamp; offset -1 where no record is that late. */
  listOffsets(
    partitions: readonly { readonly topic: string; readonly partition: number }[],
    at: 'earliest' | 'latest' | number,
  ): Promise<readonly TopicPartitionOffset[]>
  listGroups(): Promise<readonly GroupSummary[]>
  describeGroup(groupId: string): Promise<GroupDescription>
  groupOffsets(groupId: string): Promise<readonly TopicPartitionOffset[]>
  setGroupOffsets(groupId: string, offsets: readonly TopicPartitionOffset[]): Promise<void>
  deleteGroups(groupIds: readonly string[]): Promise<void>
  describeConfigs(kind: ConfigKind, name: string): Promise<readonly ConfigRow[]>
  alterConfigs(kind: ConfigKind, name: string, changes: readonly ConfigChange[], validateOnly: boolean): Promise<void>
  describeQuorum(timeoutMs: number): Promise<QuorumDescription>
  /** `replicas` null takes a move back. */
  reassign(wanted: readonly ReplicaAssignment[]): Promise<void>
  reassignments(): Promise<readonly Reassignment[]>
  electLeaders(
    kind: 'preferred' | 'unclean',
    partitions: readonly { readonly topic: string; readonly partition: number }[] | null,
  ): Promise<readonly { readonly topic: string; readonly partition: number }[]>
  unregisterBroker(brokerId: number): Promise<void>
}

type Reach = Pick<ClientFlags, 'bootstrap' | 'timeout'>

/** Settings every client of the command line starts from. Fails at once when no server accepts a connection. */
export async function reach(
  flags: Reach,
): Promise<{ bootstrapServers: string[]; clientId: string; requestTimeoutMs: number; defaultApiTimeoutMs: number }> {
  const bootstrapServers = bootstrapOf(flags as ClientFlags)
  const timeoutMs = timeoutOf(flags)
  if (!(await firstReachable(bootstrapServers))) {
    throw new CliError(
      `no broker answers at ${bootstrapServers.join(', ')}`,
      ExitCode.unreachable,
      'start one with millrace serve, or name another with --bootstrap HOST:PORT or MILLRACE_BOOTSTRAP; millrace doctor finds out more',
    )
  }
  return { bootstrapServers, clientId: 'millrace-cli', requestTimeoutMs: timeoutMs, defaultApiTimeoutMs: timeoutMs }
}

export async function withAdmin<T>(flags: Reach, use: (admin: AdminPort) => Promise<T>): Promise<T> {
  const settings = await reach(flags)
  const { openAdmin } = await import('./admin.js')
  const { admin, close } = openAdmin(settings)
  try {
    return await use(admin)
  } finally {
    await close()
  }
}

export async function createProducer(flags: Reach, own: Partial<ProducerSettings> & { readonly lingerMs: number }): Promise<Producer> {
  const settings = await reach(flags)
  const { Producer: ProducerClass } = await import('../client/producer/producer.js')
  // Who says how long does not mean each of the attempts of two minutes.
  const giveUp = flags.timeout === undefined ? {} : { deliveryTimeoutMs: settings.requestTimeoutMs + own.lingerMs }
  return new ProducerClass({ ...settings, ...giveUp, maxBlockMs: settings.requestTimeoutMs, ...own })
}

export async function createConsumer(flags: Reach, own: Partial<ConsumerSettings>): Promise<Consumer> {
  const settings = await reach(flags)
  const { Consumer: ConsumerClass } = await import('../client/consumer/consumer.js')
  return new ConsumerClass({ ...settings, ...own })
}
