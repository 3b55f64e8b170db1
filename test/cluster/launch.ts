// A cluster for rounds, as the command line says it: planned, started with a topic, and made whole again after a round that failed.

import type { Options, System } from './options.js'
import { planKafka } from './support/kafka.js'
import type { Network } from './support/network.js'
import { TestCluster } from './support/nodes.js'
import { allInSync, makeTopic } from './support/state.js'

export const SETTLED_MS = 90_000
/** As many heartbeats a session as with Kafka's defaults, 2 s in 9. */
const HEARTBEAT_SHARE = 2 / 9

export interface Needs {
  readonly dir: string
  readonly network?: Network | undefined
  readonly diskMebibytes?: number | undefined
  /** Unlike any other's of this process. */
  readonly tag: string
  /** Of nodes, besides those that every round has. */
  readonly settings?: readonly string[]
}

/** What a plan takes of the command line. */
export type Shape = Pick<Options, 'nodes' | 'sessionMs' | 'zookeeper' | 'logLevel' | 'workers'>

export function plan(system: System, { nodes, sessionMs, zookeeper, logLevel, workers }: Shape, needs: Needs): Promise<TestCluster> {
  const { dir, network, diskMebibytes, tag, settings: more = [] } = needs
  const common = { count: nodes, dir, network, diskMebibytes }
  const session = zookeeper === undefined || system === 'kafka' ? 'broker.session.timeout.ms' : 'zookeeper.session.timeout.ms'
  const settings = [`${session}=${sessionMs}`, 'offsets.topic.num.partitions=3', 'group.initial.rebalance.delay.ms=0', ...more]
  if (system === 'kafka') {
    return planKafka({ ...common, settings: [...settings, `broker.heartbeat.interval.ms=${Math.round(sessionMs * HEARTBEAT_SHARE)}`] })
  }
  return TestCluster.plan({
    ...common,
    ...(zookeeper === undefined ? {} : { zookeeper: `${zookeeper}/${tag}-${process.pid}` }),
    settings: [...settings, 'millrace.ensemble.tick.ms=500'],
    logLevel,
    workers,
  })
}

export interface Topic {
  readonly name: string
  readonly partitions: number
  readonly configs?: Readonly<Record<string, number>>
}

export async function start(cluster: TestCluster, topic: Topic, from?: string): Promise<void> {
  await Promise.all(cluster.nodes.map((node) => node.start(from)))
  const configs = { ...topic.configs, 'min.insync.replicas': 2 }
  await makeTopic(cluster.bootstrap, { ...topic, replicationFactor: 3, configs }, SETTLED_MS)
  await allInSync(cluster.addresses, topic.name, SETTLED_MS)
}

/** Undoes what a fault that failed may have left, so that what is there can be read. */
export async function heal(cluster: TestCluster, topic: string, network: Network | undefined): Promise<void> {
  for (const node of cluster.nodes) {
    network?.mend(node.id)
    node.disk?.free()
    node.signal('SIGCONT')
  }
  await Promise.allSettled(cluster.nodes.filter(({ isRunning }) => !isRunning).map((node) => node.start()))
  await allInSync(cluster.addresses, topic, SETTLED_MS).catch(() => undefined)
}

export function describe(error: unknown): string {
  const cause = (error as Error).cause
  return `${(error as Error).message}${cause instanceof Error ? ` (${cause.message})` : ''}`
}
