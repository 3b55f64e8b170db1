// What replicating a batch to two followers costs the three owners of the partition, without sockets and threads between: append on the leader,
// two fetches answered, checked and written, the high watermark's way back. One process, three replica managers, frames handed over by turns of
// the event loop. The lowest of several passes, as others share the machine.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realEnv } from '../../src/env/real.js'
import { defaultLogConfig } from '../../src/log/config.js'
import { runPoolTask } from '../../src/log/pool-tasks.js'
import type { HostedPartition } from '../../src/replica/hosted-partition.js'
import { ReplicaManager } from '../../src/replica/replica-manager.js'
import type { Replication } from '../../src/replica/replication.js'
import { defaultReplicationSettings } from '../../src/replica/settings.js'
import { batchOfSize } from '../../test/log/support.js'

const PARTITIONS = 12
const PASSES = 12
const IDS = [1, 2, 3]
const topicId = 'AAAAAAAAAAAAAAAAAAAAAQ'
const root = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
const env = realEnv()
const nodes = new Map<number, { manager: ReplicaManager; replication: Replication }>()
let frames = 0
const memory = new Uint8Array(4 << 20)

async function start(id: number): Promise<void> {
  const manager = new ReplicaManager({
    env,
    nodeId: id,
    runInPool: runPoolTask,
    settingsOf: () => ({ log: defaultLogConfig, minInsyncReplicas: 2 }),
    replicationSettings: () => defaultReplicationSettings,
    brokers: { liveEpochOf: () => 1n, rackOf: () => null },
    onCheckpointDue: () => {},
    onLogFailed: (_, __, ___, error) => {
      throw error
    },
    onLogFull: (topic, partition) => {
      throw new Error(`no space for ${topic}-${partition}`)
    },
    moveBytesPerSecond: () => Infinity,
    onMovePrepared: () => Promise.resolve(),
    onMoveEnded: () => {},
    onRecoveryProgress: () => {},
  })
  const replication = manager.replicate({
    link: {
      fetch: (leader, parts, onAnswer) =>
        new Promise((resolve) => {
          let left = parts.length
          frames++
          setImmediate(() => {
            nodes.get(leader)!.replication.serveFetch(id, parts, (index, answer) => {
              let body: Uint8Array
              if (answer instanceof Uint8Array) body = Uint8Array.from(answer)
              else answer.write((body = memory.slice(0, answer.length)), 0)
              setImmediate(() => {
                onAnswer(index, body)
                if (--left === 0) resolve()
              })
            })
          })
        }),
    },
    brokerEpoch: () => 1n,
    alterIsr: () => new Promise(() => {}),
    onLogDamaged: () => {},
    onLogRepaired: () => {},
  })
  nodes.set(id, { manager, replication })
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const dir = join(root, `${id}-${partition}`)
    mkdirSync(dir, { recursive: true })
    const decision = { leader: 1, leaderEpoch: 0, isr: IDS, replicas: IDS, partitionEpoch: 0 }
    const log = { topic: 't', topicId, partition, dir, cleanShutdown: false, recoveryPoint: 0, logStartOffset: 0, cleanerOffset: 0 }
    await manager.open({ ...log, decision })
  }
}

async function pass(leader: ReplicaManager, hosted: readonly HostedPartition[], size: number, rounds: number): Promise<number> {
  const bytes = batchOfSize(size)
  const terms = { acks: -1, disk: false, origin: 'client', apiVersion: 12 } as const
  const { user, system } = process.cpuUsage()
  for (let round = 0; round < rounds; round++) {
    await new Promise<void>((done) => {
      let left = hosted.length
      const sink = { complete: () => void (--left === 0 && done()) }
      for (const { partition } of hosted) {
        bytes.fill(0, 0, 8)
        leader.append('t', partition, bytes, terms, sink, 0)
      }
      leader.flush()
    })
  }
  const used = process.cpuUsage({ user, system })
  return (used.user + used.system) / (rounds * hosted.length)
}

try {
  for (const id of IDS) await start(id)
  const leader = nodes.get(1)!.manager
  const all = Array.from({ length: PARTITIONS }, (_, partition) => leader.find('t', partition)!)
  for (const [size, partitions, rounds] of [
    [1024, 1, 400],
    [1024, PARTITIONS, 100],
    [16_384, 1, 200],
    [16_384, PARTITIONS, 40],
    [262_144, PARTITIONS, 4],
  ] as const) {
    const passes: number[] = []
    frames = 0
    for (let i = 0; i < PASSES; i++) passes.push(await pass(leader, all.slice(0, partitions), size, rounds))
    const sorted = passes.toSorted((a, b) => a - b)
    const perBatch = frames / (PASSES * rounds * partitions)
    console.log(
      `${size} bytes × ${partitions} partitions: ${sorted[0]!.toFixed(1)} µs of CPU a batch at best, ${sorted[PASSES >> 1]!.toFixed(1)} in the middle, ${perBatch.toFixed(2)} fetch frames`,
    )
  }
} finally {
  rmSync(root, { recursive: true, force: true })
}
process.exit(0)
