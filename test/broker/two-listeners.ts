// Two listeners on one port, as two workers have them, with real sockets and a real port between them.

import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { ConnectionCounts } from '../../src/broker/connection-counts.js'
import { ConnectionSharing } from '../../src/broker/connection-sharing.js'
import type { RequestHandler } from '../../src/broker/listener/connection.js'
import { type Admission, Listener } from '../../src/broker/listener/listener.js'
import { realRandom } from '../../src/env/real.js'
import { Transfers } from '../../src/broker/listener/transfers.js'
import { native } from '../../src/log/native.js'
import { Mailbox } from '../../src/threads/mailbox.js'
import { SimEnv } from '../support/sim-env.js'

export const OPEN_TO_ALL: Admission = { ask: () => undefined, opened: () => {}, closed: () => {} }

/** Answers every request with a length of 0. */
const ANSWERS: RequestHandler = {
  request: (_connection, _bytes, _start, _end, respond) => respond([Buffer.alloc(4)]),
  turnEnded: () => {},
}

export interface Workers {
  readonly listeners: readonly Listener[]
  /** Connections of each worker. */
  counts(): number[]
  readonly port: number
  /** A client that has had an answer. */
  client(): Promise<Socket>
  /** What the second worker does with a connection that it is given. */
  readonly second: { listens: boolean; answers: boolean }
  /** The way between the two is gone. */
  part(): void
  /** Another takes the second worker's place, and begins to count. */
  replaceSecond(): void
}

export async function startTwo(t: TestContext, admission: Admission, handler: RequestHandler = ANSWERS): Promise<Workers> {
  const env = new SimEnv()
  const memory = ConnectionCounts.memory(2)
  const second = { listens: true, answers: true }
  const limits = { maxFrameBytes: 1 << 20, maxInFlight: 4, maxBufferedBytes: 1 << 20 }
  const { port1, port2 } = new MessageChannel()
  const counts = [0, 1].map((worker) => new ConnectionCounts(memory, worker))
  const listeners: Listener[] = []
  const peers: Mailbox[] = []
  for (const worker of [0, 1]) {
    const sharing = new ConnectionSharing({
      counts: counts[worker]!,
      peer: () => peers[worker],
      listens: () => worker === 0 || second.listens,
      adopt: (_name, descriptor, carried) => listeners[worker]!.adopt(descriptor, carried),
      sessions: { release: () => undefined, adopt: () => {} },
    })
    const [[method, take]] = sharing.handlers() as [[string, (moved: never) => unknown]]
    const receive = (moved: never): unknown => (worker === 0 || second.answers ? take(moved) : new Promise(() => {}))
    peers.push(new Mailbox([port1, port2][worker]!, new Map([[method, receive]])))
    listeners.push(
      new Listener(
        { clock: env.clock, timers: env.timers, logger: env.logger, random: realRandom },
        { name: 'TEST', limits, maxIdleMs: 60_000, maxHeldBytes: 1 << 20, admission, sharing, transfers: new Transfers(() => 1) },
        handler,
      ),
    )
  }
  const [first, port] = native().listenSocket('127.0.0.1', 0, 64, true)
  await listeners[0]!.listen(first)
  await listeners[1]!.listen(native().listenSocket('127.0.0.1', port, 64, false)[0])
  t.after(() => {
    for (const listener of listeners) listener.close()
    port1.close()
  })
  const client = async (): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1')
    t.after(() => socket.destroy())
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject)
      socket.on('close', () => reject(new Error('closed without an answer')))
      socket.once('data', () => resolve())
      socket.write(Buffer.from([0, 0, 0, 4, 1, 2, 3, 4]))
    })
    return socket
  }
  return {
    listeners,
    counts: () => [0, 1].map((worker) => counts[0]!.of(worker)),
    port,
    client,
    second,
    part: () => port1.close(),
    replaceSecond: () => void new ConnectionCounts(memory, 1),
  }
}
