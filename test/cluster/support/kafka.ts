// Nodes of Apache Kafka as a cluster of the same shape, planned by bench/anchors/kafka.mjs: every node is broker and controller (KRaft).

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { apis } from '../../../src/protocol/schema/index.js'
import { ask } from './ask.js'
import { SmallDisk } from './disk.js'
import type { Network } from './network.js'
import { ClusterNode, freePorts, TestCluster } from './nodes.js'

const SCRIPT = fileURLToPath(new URL('../../../../bench/anchors/kafka.mjs', import.meta.url))
const PLAN_MS = 600_000
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
  return promisify(execFile)(process.execPath, [SCRIPT, 'fetch'], { timeout: PLAN_MS }).then(
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
  const args = [SCRIPT, 'plan', '--data', spec.dir, ...nodes, ...settings]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: PLAN_MS })
  const planned = JSON.parse(stdout) as Planned
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
