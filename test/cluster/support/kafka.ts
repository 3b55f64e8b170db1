// Nodes of Apache Kafka as a cluster of the same shape, planned by bench/anchors/kafka.mjs: every node is broker and controller (KRaft).

import { join } from 'node:path'
import { apis } from '../../../src/protocol/schema/index.js'
import { anchor } from './anchors.js'
import { ask } from './ask.js'
import { SmallDisk } from './disk.js'
import type { Network } from './network.js'
import { ClusterNode, freePorts, TestCluster } from './nodes.js'

const METADATA_VERSION = 12

export interface KafkaSpec {
  readonly count: number
  readonly dir: string
  readonly network?: Network | undefined
  readonly diskMebibytes?: number | undefined
  readonly settings: readonly string[]
}

interface Planned {
  readonly nodes: readonly { readonly id: number; readonly logDir: string; readonly command: readonly string[] }[]
}

/** Null: it can be started; else why not. */
export async function unavailable(): Promise<string | null> {
  return anchor('kafka', 'fetch').then(
    () => null,
    (error: Error) => error.message,
  )
}

export async function planKafka(spec: KafkaSpec): Promise<TestCluster> {
  const ports = await freePorts(spec.count * 2)
  const ids = Array.from({ length: spec.count }, (_, i) => i + 1)
  const host = (id: number): string => spec.network?.address(id) ?? '127.0.0.1'
  const kafka = (id: number): string => `${host(id)}:${ports[(id - 1) * 2]!}`
  const dataDir = (id: number): string => join(spec.dir, `node-${id}`)
  const disks = ids.map((id) => (spec.diskMebibytes === undefined ? undefined : new SmallDisk(dataDir(id), spec.diskMebibytes)))
  const nodes = ids.flatMap((id) => ['--node', `${id}@${kafka(id)}:${ports[(id - 1) * 2 + 1]!}`])
  const settings = spec.settings.flatMap((setting) => ['--set', setting])
  const planned = JSON.parse(await anchor('kafka', 'plan', '--data', spec.dir, ...nodes, ...settings)) as Planned
  return new TestCluster(
    'kafka',
    planned.nodes.map(
      ({ id, logDir, command }) =>
        new ClusterNode({
          id,
          kafka: kafka(id),
          ensembleClient: '',
          dataDir: dataDir(id),
          logDir,
          disk: disks[id - 1],
          command: () => [...(spec.network?.commandPrefix(id) ?? []), ...command],
          isReady: () => isReady(kafka(id), id),
        }),
    ),
  )
}

/** It answers, and counts itself among the brokers that are not fenced. */
async function isReady(address: string, id: number): Promise<boolean> {
  const request = { topics: [], allowAutoTopicCreation: false, includeTopicAuthorizedOperations: false }
  const { brokers } = await ask(address, apis.metadata, METADATA_VERSION, { ...request, includeClusterAuthorizedOperations: false })
  return brokers.some(({ nodeId }) => nodeId === id)
}
