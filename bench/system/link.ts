// Bulk over a link: one node answers calls with parts of a size (as a leader answers fetches), another in a second process keeps some outstanding
// (as a follower does). MB/s, CPU seconds per GB on each side, the round trip of a small call beside the bulk, memory.
// Every part is copied once from a template to where it leaves from, as a read from a file would do, and says, as record batches do, that its bytes
// carry checksums of their own, which nobody here looks at.
// Usage: node dist/bench/system/link.js --help

import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { realEnv } from '../../src/env/real.js'
import { LinkThread } from '../../src/link/link-thread.js'
import { PortDoor } from '../../src/link/port-door.js'
import type { LinkSettings } from '../../src/link/settings.js'
import { copyShared } from '../../src/threads/shared-ring.js'

const HELP = `usage: link [--sizes 64,256,1024] [--parts 4] [--outstanding 4] [--seconds 4] [--chunk KIB] [--window MIB] [--covered] [--json]
  --sizes        KiB of a part
  --parts        parts of a call
  --outstanding  calls in flight
  --covered      parts without checksums of their own`
const { values } = parseArgs({
  options: {
    help: { type: 'boolean' },
    json: { type: 'boolean' },
    sizes: { type: 'string', default: '64,256,1024' },
    parts: { type: 'string', default: '4' },
    outstanding: { type: 'string', default: '4' },
    seconds: { type: 'string', default: '4' },
    chunk: { type: 'string' },
    window: { type: 'string' },
    covered: { type: 'boolean' },
    follow: { type: 'string' },
  },
})
const TOPIC = 'AAAAAAAAAAAAAAAAAAAAAQ'
const BULK = 1
const SMALL = 2

interface Row {
  readonly kib: number
  readonly mbPerSecond: number
  readonly cpuPerGb: number
  readonly smallP50Ms: number
  readonly smallP99Ms: number
  readonly rssMb: number
}
interface Result extends Row {
  readonly leaderCpuPerGb: number
  readonly leaderRssMb: number
}

const settings: Partial<LinkSettings> = {
  ...(values.chunk ? { chunkBytes: Number(values.chunk) << 10 } : {}),
  ...(values.window ? { windowBytes: Number(values.window) << 20 } : {}),
}

async function node(nodeId: number, port: number | null): Promise<{ link: LinkThread; door: PortDoor }> {
  const env = realEnv()
  const door = new PortDoor(env)
  const link = await LinkThread.start({
    env,
    nodeId,
    clusterId: () => 'bench',
    secret: 'bench',
    listen: port === null ? null : { host: '127.0.0.1', port },
    settings,
    onWorkerPort: (_, next) => door.attach(next),
  })
  door.attach(link.attachWorker(0))
  return { link, door }
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

const round = (value: number): number => Math.round(value * 1000) / 1000
const quantile = (sorted: readonly number[], q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0

async function follow(port: number): Promise<void> {
  const { link, door } = await node(2, null)
  const up = new Promise<void>((resolve) => door.onPeer((_, isUp) => isUp && resolve()))
  link.setPeers(new Map([[1, { host: '127.0.0.1', port }]]))
  await up
  for (const kib of values.sizes.split(',').map(Number)) {
    await measure(door, kib, 500)
    process.send!({ begin: kib })
    process.send!(await measure(door, kib, Number(values.seconds) * 1000))
  }
  await link.close()
  process.disconnect()
}

async function measure(door: PortDoor, kib: number, forMs: number): Promise<Row> {
  const body = Buffer.alloc(4)
  body.writeUInt32LE(kib << 10)
  const parts = Array.from({ length: Number(values.parts) }, () => ({ topicId: TOPIC, partition: 0, body }))
  let bytes = 0
  const cpu = cpuSeconds()
  const start = performance.now()
  const end = start + forMs
  const bulk = async (): Promise<void> => {
    while (performance.now() < end) await door.call(1, BULK, parts, (_, answer) => void (bytes += answer.length), 60_000)
  }
  const trips: number[] = []
  const small = async (): Promise<void> => {
    while (performance.now() < end) {
      const sent = performance.now()
      await door.call(1, SMALL, [{ topicId: TOPIC, partition: 0, body }], () => {}, 60_000)
      trips.push(performance.now() - sent)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  await Promise.all([...Array.from({ length: Number(values.outstanding) }, bulk), small()])
  const seconds = (performance.now() - start) / 1000
  const sorted = trips.toSorted((a, b) => a - b)
  return {
    kib,
    mbPerSecond: Math.round(bytes / 1e6 / seconds),
    cpuPerGb: round((cpuSeconds() - cpu) / (bytes / 1e9)),
    smallP50Ms: round(quantile(sorted, 0.5)),
    smallP99Ms: round(quantile(sorted, 0.99)),
    rssMb: Math.round(process.memoryUsage.rss() / 1e6),
  }
}

async function lead(): Promise<void> {
  const { link, door } = await node(1, 0)
  link.setPlacement(TOPIC, Int16Array.from([0]))
  const template = Buffer.alloc(2 << 20, 'a record batch ')
  door.handle(BULK, (_, parts, answer) => {
    for (const [i, { body }] of parts.entries()) {
      const length = Buffer.from(body).readUInt32LE()
      const write = (target: Uint8Array, at: number): void => copyShared(target, at, template.subarray(0, length))
      answer(i, { length, selfChecked: values.covered === true ? 0 : length, write })
    }
  })
  door.handle(SMALL, (_, parts, answer) => answer(0, parts[0]!.body))
  const child = fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), '--follow', String(link.port)])
  let cpu = 0
  const results: Result[] = []
  child.on('message', (message: Row | { begin: number }) => {
    if ('begin' in message) {
      cpu = cpuSeconds()
      return
    }
    const gb = (message.mbPerSecond * Number(values.seconds)) / 1000
    results.push({ ...message, leaderCpuPerGb: round((cpuSeconds() - cpu) / gb), leaderRssMb: Math.round(process.memoryUsage.rss() / 1e6) })
  })
  await new Promise((resolve) => child.on('exit', resolve))
  if (values.json) console.log(JSON.stringify(results))
  else console.table(results)
  await link.close()
}

if (values.help) console.log(HELP)
else if (values.follow) await follow(Number(values.follow))
else await lead()
