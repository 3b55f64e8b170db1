// What is done to a cluster in a round, each by name, and how it is undone.

import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Network } from './support/network.js'
import type { TestCluster } from './support/nodes.js'
import { allInSync, controllerOf, eventually, leaderOf } from './support/state.js'

export interface FaultContext {
  readonly cluster: TestCluster
  readonly network: Network | undefined
  readonly topic: string
  readonly round: number
  /** Another build's command line: nodes were started with it and are rolled to this one in the first round, and back in the next. */
  readonly from?: string
  /** Something about this round for the table, such as a node that ended by itself. */
  note(text: string): void
}

export interface Fault {
  readonly name: string
  readonly needsNetwork?: boolean
  /** The nodes have small disks of their own. */
  readonly needsDisk?: boolean
  /** It ends threads of a node of ours. */
  readonly needsThreads?: boolean
  /** A node starts with nothing in its directory. */
  readonly emptiesNode?: boolean
  /** Does it, lets it last, undoes it: the cluster is whole again when this resolves. */
  run(context: FaultContext): Promise<void>
}

const LASTS_MS = 3000
const SETTLED_MS = 90_000
const PAUSED_MS = 30_000
const FULL_MS = 10_000
const MENDED_MS = 20_000
/** How a JVM ends by SIGTERM, however cleanly. */
const JVM_TERMINATED = 143

async function leader({ cluster, topic, round }: FaultContext): Promise<number> {
  return leaderOf(cluster.bootstrap, topic, round % 3)
}

/** After a round that went badly it may take a moment until there is one again. */
function controller({ cluster }: FaultContext): Promise<number> {
  return eventually('there is a controller', SETTLED_MS, async () => {
    const id = await controllerOf(cluster)
    return id >= 0 ? id : null
  })
}

async function killAndRestart({ cluster }: FaultContext, id: number): Promise<void> {
  await cluster.node(id).end('SIGKILL')
  await pause(LASTS_MS)
  await cluster.node(id).start()
}

/** A follower of the partition that is not its leader. */
async function follower(context: FaultContext): Promise<number> {
  const id = await leader(context)
  return context.cluster.nodes.find((node) => node.id !== id)!.id
}

export const FAULTS: readonly Fault[] = [
  { name: 'kill-leader', run: async (context) => killAndRestart(context, await leader(context)) },
  { name: 'kill-controller', run: async (context) => killAndRestart(context, await controller(context)) },
  {
    name: 'stop-leader',
    run: async (context) => {
      const node = context.cluster.node(await leader(context))
      await node.end('SIGTERM')
      await pause(LASTS_MS)
      await node.start()
    },
  },
  {
    // Every node in turn, the next one when all is whole again. Nothing a client asks for may fail.
    name: 'rolling-restart',
    run: async ({ cluster, topic, round, from }) => {
      for (const node of cluster.nodes) {
        const code = await node.end('SIGTERM')
        if (code !== 0 && code !== JVM_TERMINATED) throw new Error(`node ${node.id} stopped with ${code}:\n${node.said}`)
        await node.start(round % 2 === 0 ? undefined : from)
        await allInSync(cluster.addresses, topic, SETTLED_MS)
      }
    },
  },
  {
    name: 'pause-follower',
    run: async (context) => {
      const node = context.cluster.node(await follower(context))
      node.signal('SIGSTOP')
      await pause(PAUSED_MS)
      node.signal('SIGCONT')
    },
  },
  {
    name: 'cut-off',
    needsNetwork: true,
    run: async (context) => {
      const id = await leader(context)
      context.network!.cut(id)
      await pause(PAUSED_MS / 2)
      context.network!.mend(id)
    },
  },
  {
    name: 'fill-disk',
    needsDisk: true,
    run: async (context) => {
      // In turn the leader's, whose producers hear of it, and a follower's.
      const id = await (context.round % 2 === 0 ? leader(context) : follower(context))
      const node = context.cluster.node(id)
      node.disk!.fill()
      await pause(FULL_MS)
      node.disk!.free()
      if (node.isRunning) return
      context.note('the node ended on the full disk, and was started again')
      await node.start()
    },
  },
  {
    name: 'flip-bit',
    run: async (context) => {
      const id = await follower(context)
      const node = context.cluster.node(id)
      await node.end('SIGKILL')
      const flipped = flipBit(join(node.logDir, `${context.topic}-${context.round % 3}`), context.round)
      await node.start()
      if (!flipped) return
      // The start found it and cut the replica back, which metadata may still have in sync.
      const gone = eventually('the turned bit is gone', MENDED_MS, async () => isMended(flipped) || null)
      // Of Kafka it is told, not asked.
      await (context.cluster.system === 'kafka' ? gone.catch(() => context.note('the bit stays turned')) : gone)
      await allInSync(context.cluster.addresses, context.topic, SETTLED_MS)
    },
  },
  {
    // Of the node that leads, with its member's history.
    name: 'replace-disk',
    emptiesNode: true,
    run: async (context) => {
      const node = context.cluster.node(await leader(context))
      await node.end('SIGKILL')
      rmSync(node.dataDir, { recursive: true })
      await node.start()
      await allInSync(context.cluster.addresses, context.topic, SETTLED_MS)
    },
  },
  {
    // As a bug in it would, of the node that leads; the process goes on, with another in its place.
    name: 'crash-worker',
    needsThreads: true,
    run: async (context) => crashThread(context, 'millrace-worker-0'),
  },
  {
    name: 'crash-link',
    needsThreads: true,
    run: async (context) => crashThread(context, 'millrace-link'),
  },
  {
    name: 'stop-all',
    run: async ({ cluster, note }) => {
      const began = performance.now()
      await Promise.all(cluster.nodes.map((node) => node.end('SIGTERM')))
      const stopped = performance.now()
      await Promise.all(cluster.nodes.map((node) => node.start()))
      note(`stopped in ${Math.round(stopped - began)} ms, ready again in ${Math.round(performance.now() - stopped)} ms`)
    },
  },
  {
    name: 'kill-all',
    run: async ({ cluster }) => {
      await Promise.all(cluster.nodes.map((node) => node.end('SIGKILL')))
      await Promise.all(cluster.nodes.map((node) => node.start()))
    },
  },
]

async function crashThread(context: FaultContext, name: string): Promise<void> {
  const node = context.cluster.node(await leader(context))
  const { pid } = node
  await node.crashThread(name)
  await pause(LASTS_MS)
  if (node.pid !== pid || !node.isRunning) throw new Error(`node ${node.id} ended with its thread:\n${node.said}`)
}

interface Flipped {
  readonly path: string
  readonly at: number
  readonly was: number
}

/** In the last segment, which a start after a kill reads through, somewhere in its first half. Null: there is too little in it. */
function flipBit(dir: string, round: number): Flipped | null {
  const name = readdirSync(dir)
    .toSorted()
    .findLast((file) => file.endsWith('.log'))!
  const path = join(dir, name)
  const size = statSync(path).size
  if (size < 200) return null
  const bytes = readFileSync(path)
  const at = 100 + ((round * 7919) % Math.max(1, Math.floor(size / 2 - 100)))
  const was = bytes[at]!
  bytes[at] = was ^ (1 << (round % 8))
  writeFileSync(path, bytes)
  return { path, at, was }
}

/** It was cut off, and what comes after it is in another segment; or there is again what was there. */
function isMended({ path, at, was }: Flipped): boolean {
  const bytes = readFileSync(path)
  return bytes.length <= at || bytes[at] === was
}
