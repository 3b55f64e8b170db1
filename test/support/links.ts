// Nodes with a link thread and doors on this thread, for tests: started on free ports, closed with the test.

import type { TestContext } from 'node:test'
import { realEnv } from '../../src/env/real.js'
import type { LinkDoor, LinkPart, LinkStatus } from '../../src/link/door.js'
import { LinkThread, type LinkThreadOptions } from '../../src/link/link-thread.js'
import { PortDoor } from '../../src/link/port-door.js'
import { SimEnv, type LoggedLine } from './sim-env.js'

export const TOPIC = 'AAAAAAAAAAAAAAAAAAAAAQ'

/** Longer than a busy machine keeps a thread waiting. */
const WAIT_MS = 60_000
const PATIENT = { deadAfterMs: WAIT_MS, handshakeTimeoutMs: WAIT_MS }

export interface LinkNode {
  readonly link: LinkThread
  readonly worker: PortDoor
  readonly lines: readonly LoggedLine[]
}

/** A node with one worker door (number 0), which owns partition 0 of TOPIC. */
export async function linkNode(t: TestContext, nodeId: number, options: Partial<LinkThreadOptions> = {}): Promise<LinkNode> {
  const logging = new SimEnv()
  const env = { ...realEnv(), logger: logging.logger }
  const worker = new PortDoor(env)
  const link = await LinkThread.start({
    env,
    nodeId,
    clusterId: () => 'cluster-of-tests',
    secret: 'a secret of tests',
    listen: { host: '127.0.0.1', port: 0 },
    onWorkerPort: (_, port) => worker.attach(port),
    ...options,
    settings: { ...PATIENT, ...options.settings },
  })
  t.after(() => link.close())
  worker.attach(link.attachWorker(0))
  link.setPlacement(TOPIC, Int16Array.from([0]))
  return { link, worker, lines: logging.lines }
}

export function dial(from: LinkNode, to: LinkNode, toId: number): Promise<void> {
  from.link.setPeers(new Map([[toId, { host: '127.0.0.1', port: to.link.port }]]))
  return peerIs(from.worker, toId, true)
}

/** Resolves when the door says so, or says so already. */
export function peerIs(door: LinkDoor, peer: number, wanted: boolean): Promise<void> {
  return new Promise((resolve) => {
    if (door.isUp(peer) === wanted) return resolve()
    const stop = door.onPeer((changed, up) => {
      if (changed !== peer || up !== wanted) return
      setImmediate(() => stop())
      resolve()
    })
  })
}

export function part(body: string | Uint8Array, partition = 0, topicId: string | null = TOPIC): LinkPart {
  return { topicId, partition, body: typeof body === 'string' ? Buffer.from(body) : body }
}

export interface Answer {
  readonly body: Uint8Array
  readonly status: LinkStatus
}

/** One call, its answers by index. */
export async function ask(door: LinkDoor, peer: number, kind: number, parts: readonly LinkPart[], timeoutMs = WAIT_MS): Promise<Answer[]> {
  const answers: Answer[] = []
  await door.call(peer, kind, parts, (index, body, status) => (answers[index] = { body: Uint8Array.from(body), status }), timeoutMs)
  return answers
}

/**
 * Asks a handler that echoes, for many long answers and short ones between them, and checks every byte. The buffers that long ones and short ones
 * came in: bodies that were copied share one, what was read from the socket in place lies in another.
 */
export async function askLong(
  door: LinkDoor,
  peer: number,
  kind: number,
): Promise<{ long: Set<ArrayBufferLike>; short: Set<ArrayBufferLike> }> {
  const [long, short] = [new Set<ArrayBufferLike>(), new Set<ArrayBufferLike>()]
  const sizes = [70_000, 10, 100_001, 20_000, 300_000, 1 << 20, 5, 65_600, 262_144]
  for (let round = 0; round < 10; round++) {
    const parts = sizes.map((size, i) => part(Buffer.alloc(size, `round ${round}, answer ${i}`)))
    let answers = 0
    const onAnswer = (index: number, body: Uint8Array): void => {
      if (Buffer.compare(body, parts[index]!.body) !== 0) throw new Error(`answer ${index} of round ${round} came wrong`)
      answers++
      if (body.length > 64 << 10) long.add(body.buffer)
      else if (body.length > 16) short.add(body.buffer)
    }
    await door.call(peer, kind, parts, onAnswer, WAIT_MS)
    if (answers !== sizes.length) throw new Error(`${answers} of ${sizes.length} answers of round ${round} were right`)
  }
  return { long, short }
}

export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString()
}
