// 10,000 idle connections on one node: `node dist/test/scenario/idle-connections.js [COUNT]`. Not part of the test run, because each
// connection is a descriptor and many machines allow a process 1,024: where the hard limit permits, `prlimit` raises it first.
// The node is a process of its own. Says what the connections cost it, and that a client is still served.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { Producer } from '../../src/client/index.js'
import { startNode } from '../cli/run-cli.js'

const COUNT = Number(process.argv[2] ?? 10_000)
const AT_ONCE = 200

/** The child inherits what is raised here. */
function raiseDescriptorLimit(wanted: number): void {
  const limit = (): number => Number(/Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))![1])
  if (limit() >= wanted) return
  try {
    execFileSync('prlimit', [`--pid=${process.pid}`, `--nofile=${wanted}:`], { stdio: 'pipe' })
  } catch (error) {
    throw new Error(`${wanted} open files are needed and ${limit()} are allowed: run it under \`ulimit -n ${wanted}\``, { cause: error })
  }
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.once('error', reject)
  })
}

async function main(t: TestContext): Promise<boolean> {
  const node = await startNode(t, ['--workers', '1'])
  const mib = (): number => Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${node.process.pid}/status`, 'utf8'))![1]) / 1024)
  const producer = new Producer({ bootstrapServers: node.bootstrap, lingerMs: 0 })
  await producer.send({ topic: 'events', partition: 0, value: 'before' })
  const before = mib()
  const started = performance.now()
  const sockets: Socket[] = []
  let closed = 0
  while (sockets.length < COUNT) {
    const opened = await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, COUNT - sockets.length) }, () => open(Number(node.bootstrap.split(':')[1]))),
    )
    for (const socket of opened) socket.on('close', () => closed++)
    sockets.push(...opened)
  }
  const openedMs = performance.now() - started
  const asked = performance.now()
  const { offset } = await producer.send({ topic: 'events', partition: 0, value: 'while they are open' })
  const servedMs = performance.now() - asked
  const closedByNode = closed
  console.log(`${COUNT} idle connections in ${Math.round(openedMs)} ms, ${closedByNode} closed by the node`)
  console.log(`the node: ${before} MiB before, ${mib()} MiB with them, ${(((mib() - before) * 1024) / COUNT).toFixed(1)} KiB each`)
  console.log(`a record was acknowledged at offset ${offset} in ${servedMs.toFixed(1)} ms meanwhile`)
  for (const socket of sockets) socket.destroy()
  await producer.close()
  const stopped = await node.stop()
  return closedByNode === 0 && offset === 1 && stopped === 0
}

raiseDescriptorLimit(COUNT + 500)
const cleanups: (() => unknown)[] = []
try {
  const good = await main({ after: (cleanup: () => unknown) => cleanups.push(cleanup) } as unknown as TestContext)
  process.exitCode = good ? 0 : 1
} finally {
  for (const cleanup of cleanups.toReversed()) await cleanup()
}
