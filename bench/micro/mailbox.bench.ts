// What a hop to another thread and back costs through threads/mailbox: one call at a time, many per message, with bytes copied, moved or
// shared, and without a thread between. CPU is of both threads together.

import { fileURLToPath, pathToFileURL } from 'node:url'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { Bench } from 'tinybench'
import { LocalCaller, Mailbox, Transferred } from '../../src/threads/mailbox.js'
import type { Caller, MailboxHandler } from '../../src/threads/mailbox.js'

const BATCH_BYTES = 16 * 1024
/** The request is about what a produce request forwards: where it goes, and its bytes. */
interface Forwarded {
  readonly partition: number
  readonly bytes: Uint8Array | null
}

const handlers = new Map<string, MailboxHandler>([
  ['append', (request: Forwarded) => request.partition],
  ['moved', (request: Forwarded) => new Transferred({ bytes: request.bytes }, [request.bytes!.buffer as ArrayBuffer])],
])

interface Cost {
  readonly calls: number
  readonly cpu: number
}

async function together(caller: Caller, count: number, bytes: Uint8Array | null): Promise<void> {
  const answers: Promise<number>[] = []
  for (let i = 0; i < count; i++) answers.push(caller.call<number>('append', { partition: i, bytes } satisfies Forwarded))
  await Promise.all(answers)
}

export async function run(): Promise<void> {
  const worker = new Worker(fileURLToPath(import.meta.url))
  const mailbox = new Mailbox(worker, new Map())
  const bench = new Bench({ time: 500, warmupTime: 200 })
  const costs = new Map<string, Cost>()
  const add = (name: string, calls: number, body: () => Promise<void>): void => {
    let done = 0
    let cpu = process.cpuUsage()
    bench.add(
      name,
      async () => {
        await body()
        done += calls
      },
      {
        beforeAll: () => {
          done = 0
          cpu = process.cpuUsage()
        },
        afterAll: () => {
          const used = process.cpuUsage(cpu)
          costs.set(name, { calls, cpu: (used.user + used.system) / done })
        },
      },
    )
  }
  const bytes = new Uint8Array(BATCH_BYTES)
  const shared = new Uint8Array(new SharedArrayBuffer(BATCH_BYTES))
  for (const count of [1, 8, 64]) add(`${count} at once, no bytes`, count, () => together(mailbox, count, null))
  for (const count of [1, 8, 64]) add(`${count} at once, 16 KiB copied`, count, () => together(mailbox, count, bytes))
  for (const count of [1, 8, 64]) add(`${count} at once, 16 KiB in shared memory`, count, () => together(mailbox, count, shared))
  let moving = new Uint8Array(BATCH_BYTES)
  add('1 at once, 16 KiB moved there and back', 1, async () => {
    const back = await mailbox.call<{ bytes: Uint8Array<ArrayBuffer> }>('moved', { partition: 0, bytes: moving }, [moving.buffer])
    moving = back.bytes
  })
  const local = new LocalCaller(handlers)
  add('1 at once, same thread', 1, () => together(local, 1, bytes))
  await bench.run()
  await worker.terminate()
  console.table(
    bench.tasks.map((task) => {
      const { calls, cpu } = costs.get(task.name)!
      const { latency } = task.result as unknown as { latency: { mean: number; p50: number; p99: number } }
      const micros = (milliseconds: number): number => Math.round(milliseconds * 100_000) / 100
      return {
        what: task.name,
        'there and back µs, p50': micros(latency.p50),
        p99: micros(latency.p99),
        'µs per call': micros(latency.mean / calls),
        'CPU µs per call': Math.round(cpu * 100) / 100,
      }
    }),
  )
}

if (!isMainThread) new Mailbox(parentPort!, handlers)
else if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await run()
