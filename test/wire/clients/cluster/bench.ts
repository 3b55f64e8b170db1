// Three nodes, and Kafka's tools against them: what scenarios of a cluster work with. The same scenarios run against nodes of Apache Kafka, to see
// that what they claim is Kafka's behaviour.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Producer } from '../../../../src/client/index.js'
import { plan, type Shape } from '../../../cluster/launch.js'
import type { TestCluster } from '../../../cluster/support/nodes.js'
import { allInSync, eventually, leaderOf, makeTopic } from '../../../cluster/support/state.js'
import type { RunOptions } from '../child.js'
import { tool } from '../kafka-tool.js'

export const LIMIT_MS = 60_000
const SHAPE: Shape = { nodes: 3, sessionMs: 3000, zookeeper: undefined, logLevel: 'warn', workers: 1 }

export interface ClusterScenario {
  readonly name: string
  readonly tier: 'short' | 'all'
  /** Kafka works at other levels of features, or counts something in its own way. */
  readonly ownOnly?: boolean
  readonly run: (bench: ClusterBench) => Promise<void>
}

export class ClusterBench {
  readonly cluster: TestCluster
  readonly #dir: string
  #names = 0

  private constructor(cluster: TestCluster, dir: string) {
    this.cluster = cluster
    this.#dir = dir
  }

  static async start(system: 'millrace' | 'kafka'): Promise<ClusterBench> {
    const dir = mkdtempSync(join(tmpdir(), 'millrace-tools-'))
    const cluster = await plan(system, SHAPE, { dir, tag: 'tools', settings: ['offsets.topic.replication.factor=3'] })
    const bench = new ClusterBench(cluster, dir)
    try {
      await Promise.all(cluster.nodes.map((node) => node.start()))
      return bench
    } catch (error) {
      await bench.close()
      throw error
    }
  }

  get bootstrap(): string {
    return this.cluster.bootstrap
  }

  get addresses(): readonly string[] {
    return this.cluster.addresses
  }

  name(stem: string): string {
    return `${stem}-${++this.#names}`
  }

  /** A topic with these replicas, the first of each leads; all of them in sync. */
  async topic(stem: string, assignments: readonly (readonly number[])[], configs: Readonly<Record<string, string>> = {}): Promise<string> {
    const name = this.name(stem)
    await makeTopic(this.bootstrap, { name, assignments, configs }, LIMIT_MS)
    await this.inSync(name)
    return name
  }

  inSync(topic: string): Promise<true> {
    return allInSync(this.addresses, topic, LIMIT_MS)
  }

  /** Records of 1,000 bytes into every partition; resolves when all are acknowledged. */
  async fill(topic: string, partitions: number, count: number): Promise<void> {
    const producer = new Producer({ bootstrapServers: this.bootstrap, lingerMs: 5 })
    try {
      const value = 'x'.repeat(1000)
      const sends = Array.from({ length: count * partitions }, (_, i) => producer.send({ topic, partition: i % partitions, value }))
      await Promise.all(sends)
    } finally {
      await producer.close()
    }
  }

  /** A tool with the whole cluster for bootstrap. */
  tool(name: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
    return tool(name, ['--bootstrap-server', this.bootstrap, ...args], options)
  }

  file(name: string, content: object): string {
    const path = join(this.#dir, name)
    writeFileSync(path, JSON.stringify(content))
    return path
  }

  leader(topic: string, partition = 0): Promise<number> {
    return leaderOf(this.bootstrap, topic, partition)
  }

  /** Resolves when the partition is led by one of `ids`; -1: by nobody. */
  ledBy(topic: string, ids: readonly number[], partition = 0): Promise<number> {
    return eventually(`${topic}-${partition} led by ${ids.join(' or ')}`, LIMIT_MS, async () => {
      const leader = await this.leader(topic, partition)
      return ids.includes(leader) ? leader : null
    })
  }

  /** While the nodes are stopped; all are up, and have come back into the in-sync sets of `topics`, when it resolves. */
  async without<T>(ids: readonly number[], topics: readonly string[], work: () => Promise<T>): Promise<T> {
    for (const id of ids) await this.cluster.node(id).end('SIGTERM')
    try {
      return await work()
    } finally {
      const down = this.cluster.nodes.filter((node) => ids.includes(node.id) && !node.isRunning)
      await Promise.all(down.map((node) => node.start()))
      for (const topic of topics) await this.inSync(topic)
    }
  }

  async close(): Promise<void> {
    await this.cluster.close()
    rmSync(this.#dir, { recursive: true, force: true })
  }
}
