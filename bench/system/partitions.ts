// What many partitions cost a cluster: three nodes on this machine, RF 3, once for each layout. Creation, memory, descriptors and CPU at rest,
// the controller killed to its successor's first write and to a leader for everything, a node's start, everybody's stop and start.
// Usage: node dist/bench/system/partitions.js --help

import { readdirSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { memoryOf, Probe } from '../../src/cli/bench/probe.js'
import { Admin } from '../../src/client/index.js'
import { type ClusterNode, TestCluster } from '../../test/cluster/support/nodes.js'
import { machine, printMachine, round, withDirectory } from './machine.js'

const LAYOUTS = ['1x100', '1x10000', '1000x10']
const NODES = 3
const TOPICS_PER_REQUEST = 100
const LOOK_AGAIN_MS = 100
const LIMIT_MS = 300_000
const READY_LIMIT_MS = 240_000

const { values } = parseArgs({
  options: {
    help: { type: 'boolean' },
    json: { type: 'boolean' },
    layouts: { type: 'string', default: LAYOUTS.join(',') },
    zookeeper: { type: 'string' },
    'session-ms': { type: 'string', default: '3000' },
    'idle-ms': { type: 'string', default: '20000' },
    workers: { type: 'string', default: '1' },
    dir: { type: 'string' },
    set: { type: 'string', multiple: true, default: [] },
    'log-level': { type: 'string', default: 'warn' },
  },
})

interface Layout {
  readonly topics: number
  readonly partitions: number
}

type Row = Record<string, number | string>

function layoutOf(text: string): Layout {
  const [topics, partitions] = text.split('x').map(Number)
  if (!(topics! > 0 && partitions! > 0)) throw new Error(`a layout is TOPICSxPARTITIONS, such as 1000x10, not ${text}`)
  return { topics: topics!, partitions: partitions! }
}

const nameOf = (index: number): string => `load-${String(index).padStart(4, '0')}`

function adminOf(nodes: readonly ClusterNode[]): Admin {
  return new Admin({
    bootstrapServers: nodes.map(({ kafka }) => kafka).join(','),
    requestTimeoutMs: LIMIT_MS,
    defaultApiTimeoutMs: LIMIT_MS,
    retryBackoffMs: 20,
    reconnectBackoffMs: 20,
    reconnectBackoffMaxMs: 100,
  })
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return Math.round(performance.now() - began)
}

async function withAdmin<T>(nodes: readonly ClusterNode[], use: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = adminOf(nodes)
  try {
    return await use(admin)
  } finally {
    await admin.close()
  }
}

/** Every partition has a leader, and so many replicas in sync, as this node sees it. */
async function settled(node: ClusterNode, layout: Layout, inSync: number, gone = -1): Promise<void> {
  const names = Array.from({ length: layout.topics }, (_, index) => nameOf(index))
  const end = performance.now() + LIMIT_MS
  let left = -1
  await withAdmin([node], async (admin) => {
    while (performance.now() < end) {
      const began = performance.now()
      const topics = await admin.describeTopics(names).catch(() => null)
      if (topics) {
        left = 0
        for (const { partitions } of topics) {
          for (const { leader, isr } of partitions) if (leader < 0 || leader === gone || isr.length < inSync) left++
        }
        if (left === 0) return
      }
      // A look at 10,000 partitions costs the node something itself.
      await pause(Math.max(LOOK_AGAIN_MS, 4 * (performance.now() - began)))
    }
    throw new Error(`after ${LIMIT_MS} ms ${left} partitions still lack a leader or a replica in sync`)
  })
}

/** CPU-seconds of every node while `work` goes on, with the clock's milliseconds: on a full machine only the former hold. */
async function costOf(cluster: TestCluster, work: () => Promise<unknown>): Promise<{ readonly ms: number; readonly cpuSeconds: number }> {
  const probe = new Probe(cluster.nodes.filter(({ isRunning }) => isRunning).map(({ pid }) => pid))
  const before = probe.sample(false)
  const ms = await timed(work)
  return { ms, cpuSeconds: round(probe.cost(before, probe.sample(false)).serverCpuSeconds ?? 0, 1) }
}

async function everywhere(cluster: TestCluster, layout: Layout, inSync: number): Promise<void> {
  await Promise.all(cluster.nodes.filter(({ isRunning }) => isRunning).map((node) => settled(node, layout, inSync)))
}

async function create(cluster: TestCluster, { topics, partitions }: Layout): Promise<void> {
  await withAdmin(cluster.nodes, async (admin) => {
    for (let first = 0; first < topics; first += TOPICS_PER_REQUEST) {
      const count = Math.min(TOPICS_PER_REQUEST, topics - first)
      const specs = Array.from({ length: count }, (_, i) => ({ name: nameOf(first + i), partitions, replicationFactor: NODES }))
      await admin.createTopics(specs, { timeoutMs: LIMIT_MS })
    }
  })
}

const mb = (bytes: number): number => Math.round(bytes / 1e6)
const over = (nodes: readonly ClusterNode[], of: (node: ClusterNode) => number): string => nodes.map(of).join(' ')

async function atRest(nodes: readonly ClusterNode[]): Promise<string> {
  const probes = nodes.map(({ pid }) => new Probe([pid]))
  const before = probes.map((probe) => probe.sample(false))
  await pause(Number(values['idle-ms']))
  return probes.map((probe, index) => round(probe.cost(before[index]!, probe.sample(false)).serverCores ?? 0, 3)).join(' ')
}

/** kill -9 of the controller: a topic made by its successor, and a leader for all that it led. */
async function failover(cluster: TestCluster, layout: Layout, row: Row): Promise<void> {
  const id = await withAdmin(cluster.nodes, async (admin) => (await admin.describeCluster()).controllerId)
  const node = cluster.node(id)
  const others = cluster.nodes.filter((other) => other !== node)
  await withAdmin(others, async (admin) => {
    await admin.describeCluster()
    await node.end('SIGKILL')
    const began = performance.now()
    const elapsed = (): number => Math.round(performance.now() - began)
    const led = settled(others[0]!, layout, 1, id).then(() => (row.leadersMs = elapsed()))
    const made = admin.createTopics([{ name: 'after', partitions: 1, replicationFactor: 2 }], { timeoutMs: LIMIT_MS })
    await Promise.all([led, made.then(() => (row.failoverMs = elapsed()))])
  })
  row.restartMs = await timed(() => node.start(undefined, READY_LIMIT_MS))
  row.restartInSyncMs = await timed(() => settled(node, layout, NODES))
}

async function measure(directory: string, text: string): Promise<Row> {
  const layout = layoutOf(text)
  const row: Row = { layout: text, on: values.zookeeper === undefined ? 'embedded' : 'zookeeper' }
  const session = values.zookeeper === undefined ? 'broker.session.timeout.ms' : 'zookeeper.session.timeout.ms'
  const cluster = await TestCluster.plan({
    count: NODES,
    dir: directory,
    ...(values.zookeeper === undefined ? {} : { zookeeper: `${values.zookeeper}/partitions-${process.pid}-${text}` }),
    settings: [`${session}=${values['session-ms']}`, 'millrace.ensemble.tick.ms=500', ...values.set],
    workers: Number(values.workers),
    logLevel: values['log-level'],
  })
  const progress = (name: string): void => {
    if (!values.json) console.log(`${text} ${name} ${row[name]}`)
  }
  try {
    await Promise.all(cluster.nodes.map((node) => node.start()))
    row.emptyRssMb = over(cluster.nodes, ({ pid }) => mb(memoryOf(pid, 'VmRSS')))
    progress('emptyRssMb')
    const created = await costOf(cluster, () => create(cluster, layout))
    row.createMs = created.ms
    row.createCpuSeconds = created.cpuSeconds
    progress('createMs')
    progress('createCpuSeconds')
    row.createdInSyncMs = created.ms + (await timed(() => everywhere(cluster, layout, NODES)))
    progress('createdInSyncMs')
    row.restCores = await atRest(cluster.nodes)
    progress('restCores')
    row.rssMb = over(cluster.nodes, ({ pid }) => mb(memoryOf(pid, 'VmRSS')))
    progress('rssMb')
    row.peakRssMb = over(cluster.nodes, ({ pid }) => mb(memoryOf(pid, 'VmHWM')))
    row.descriptors = over(cluster.nodes, ({ pid }) => readdirSync(`/proc/${pid}/fd`).length)
    progress('descriptors')
    await failover(cluster, layout, row)
    for (const name of ['failoverMs', 'leadersMs', 'restartMs', 'restartInSyncMs']) progress(name)
    row.stopMs = await timed(() => Promise.all(cluster.nodes.map((node) => node.end('SIGTERM'))))
    progress('stopMs')
    row.startAllMs = await timed(() => Promise.all(cluster.nodes.map((node) => node.start(undefined, READY_LIMIT_MS))))
    progress('startAllMs')
    row.startAllInSyncMs = (row.startAllMs as number) + (await timed(() => everywhere(cluster, layout, NODES)))
    progress('startAllInSyncMs')
  } catch (error) {
    console.error(error)
    for (const node of cluster.nodes) console.error(`--- node ${node.id}\n${node.said.slice(-3000)}`)
    throw error
  } finally {
    await cluster.close()
  }
  return row
}

if (values.help) {
  console.log(
    `usage: partitions [--layouts ${LAYOUTS.join(',')}] [--zookeeper HOST:PORT] [--session-ms 3000] [--idle-ms 20000] [--workers 1]
  [--set key=value] [--dir DIR] [--json]
  Times in ms; memory, cores and descriptors of each node in turn. failoverMs: kill -9 of the controller to a topic made by the next one,
  the session's time included; leadersMs: to a leader for every partition; restart: of that node, to ready and to all replicas in sync.`,
  )
} else {
  if (!values.json) printMachine()
  const rows: Row[] = []
  for (const text of values.layouts.split(',')) rows.push(await withDirectory(values.dir, (directory) => measure(directory, text)))
  if (values.json) console.log(JSON.stringify({ machine: machine(), rows }))
  else for (const row of rows) console.table(row)
}
