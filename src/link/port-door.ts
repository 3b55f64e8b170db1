// A LinkDoor over a MessagePort to the link thread. Lives as long as its thread; when the link thread is replaced it gets another port and goes on.
// Runs on a worker or on the thread coordinator.

import type { Env, Timer } from '../env/env.js'
import { RingReader } from '../threads/shared-ring.js'
import {
  type LinkAnswer,
  type LinkDoor,
  LinkError,
  type LinkErrorCode,
  type LinkHandler,
  type LinkPart,
  LinkStatus,
  type OnLinkAnswer,
} from './door.js'
import { BODY_LEAD } from './frames.js'
import {
  bytesOf,
  type LinkPort,
  type PortBody,
  PortOutbox,
  received,
  release,
  ToDoor,
  type ToDoorMessage,
  ToLink,
  type ToLinkMessage,
} from './port-messages.js'
import { decodeParts, partsLength, writeParts } from './request-body.js'

/** Every message wakes the link thread. So bytes that were taken are told with whatever goes there next, at the latest at this many or after this time. */
const TAKEN_BYTES = 128 << 10
const TAKEN_MS = 20
const EMPTY = new Uint8Array(0)

interface OpenCall {
  readonly onAnswer: OnLinkAnswer
  readonly answered: Uint8Array
  readonly timer: Timer
  left: number
  resolve(): void
  reject(error: LinkError): void
}

export class PortDoor implements LinkDoor {
  private readonly env: Pick<Env, 'timers' | 'logger'>
  private outbox: PortOutbox<ToLinkMessage> | undefined
  private port: LinkPort | undefined
  /** Where bodies of the link thread lie; undefined: they come along. */
  private ring: RingReader | undefined
  /** By session: where its long answers lie. */
  private readonly rings = new Map<number, RingReader>()
  private readonly calls = new Map<number, OpenCall>()
  private readonly handlers = new Map<number, LinkHandler>()
  private readonly listeners = new Set<(peer: number, up: boolean) => void>()
  private readonly peers = new Set<number>()
  private nextCall = 1
  /** By session: taken, and not yet told. */
  private readonly taken = new Map<number, number>()
  private takenBytes = 0
  private takenTimer: Timer | undefined

  constructor(env: Pick<Env, 'timers' | 'logger'>) {
    this.env = env
  }

  /** The way to the link thread: at first, and again when there is another link thread. */
  attach(port: LinkPort): void {
    this.detach('another link thread took over')
    this.port = port
    this.outbox = new PortOutbox(port, () => this.tellTaken())
    port.on('message', (messages) => {
      if (this.port === port) this.receive(messages as ToDoorMessage[])
    })
    port.on('close', () => {
      if (this.port === port) this.detach('the link thread ended')
    })
  }

  close(): void {
    this.detach('the node closes')
  }

  call(peer: number, kind: number, parts: readonly LinkPart[], onAnswer: OnLinkAnswer, timeoutMs: number): Promise<void> {
    const { outbox } = this
    if (parts.length === 0) return Promise.resolve()
    if (!outbox || !this.peers.has(peer)) return Promise.reject(new LinkError('ERR_MILLRACE_LINK_DOWN', `there is no link to node ${peer}`))
    return new Promise<void>((resolve, reject) => {
      const id = this.nextCall++
      const timer = this.env.timers.after(timeoutMs, () => this.timedOut(id, peer, timeoutMs))
      this.calls.set(id, { onAnswer, answered: new Uint8Array(parts.length), timer, left: parts.length, resolve, reject })
      const body = outbox.body(partsLength(parts), BODY_LEAD, (target, at) => writeParts(parts, target, at))
      outbox.post([ToLink.call, id, peer, kind, parts.length, body])
    })
  }

  handle(kind: number, handler: LinkHandler): void {
    this.handlers.set(kind, handler)
  }

  onPeer(listener: (peer: number, up: boolean) => void): () => void {
    this.listeners.add(listener)
    for (const peer of this.peers) listener(peer, true)
    return () => void this.listeners.delete(listener)
  }

  isUp(peer: number): boolean {
    return this.peers.has(peer)
  }

  private receive(messages: readonly ToDoorMessage[]): void {
    for (const message of messages) {
      if (message[0] === ToDoor.answers) {
        const [, session, body, table] = message
        this.use(session, body, this.ring, (bytes) => this.takeAnswers(bytes, table))
      } else if (message[0] === ToDoor.answersInRing) {
        const [, session, body, table] = message
        this.use(session, body, this.rings.get(session), (bytes) => this.takeAnswers(bytes, table))
      } else if (message[0] === ToDoor.request) {
        const [, request, session, peer, kind, indexes, body] = message
        this.use(session, body, this.ring, (bytes) => this.serve(request, peer, kind, indexes, bytes))
      } else if (message[0] === ToDoor.rings) {
        this.outbox?.useRing(message[1])
        this.ring = new RingReader(message[2])
      } else if (message[0] === ToDoor.ring) {
        if (message[2]) this.rings.set(message[1], new RingReader(message[2]))
        else this.rings.delete(message[1])
      } else if (message[0] === ToDoor.failed) this.settle(message[1], new LinkError(message[2] as LinkErrorCode, message[3]))
      else this.notice(message[1], message[2])
    }
    if (this.takenBytes >= TAKEN_BYTES) this.outbox?.leave()
    else if (this.takenBytes > 0) this.takenTimer ??= this.env.timers.after(TAKEN_MS, () => this.takenLate())
  }

  /** The bytes are given back when `act` returns. */
  private use(session: number, body: PortBody, ring: RingReader | undefined, act: (bytes: Uint8Array) => void): void {
    const taken = received(body, ring)
    const bytes = bytesOf(taken)
    this.took(session, bytes.length)
    try {
      act(bytes)
    } finally {
      release(taken)
    }
  }

  private took(session: number, bytes: number): void {
    this.taken.set(session, (this.taken.get(session) ?? 0) + bytes)
    this.takenBytes += bytes
  }

  private takenLate(): void {
    this.takenTimer = undefined
    if (this.takenBytes > 0) this.outbox?.leave()
  }

  private tellTaken(): ToLinkMessage[] {
    const told = Array.from(this.taken, ([session, bytes]): ToLinkMessage => [ToLink.taken, session, bytes])
    this.taken.clear()
    this.takenBytes = 0
    return told
  }

  private takeAnswers(bytes: Uint8Array, table: readonly number[]): void {
    for (let i = 0; i < table.length; i += 5) {
      const id = table[i]!
      const index = table[i + 1]!
      const call = this.calls.get(id)
      if (!call || index >= call.answered.length || call.answered[index] === 1) continue
      call.answered[index] = 1
      call.left--
      this.guard(() => call.onAnswer(index, bytes.subarray(table[i + 3], table[i + 4]), table[i + 2] as LinkStatus))
      if (call.left === 0) this.settle(id, null)
    }
  }

  private serve(request: number, peer: number, kind: number, indexes: readonly number[], body: Uint8Array): void {
    const { outbox } = this
    const handler = this.handlers.get(kind)
    const answer = (local: number, status: LinkStatus, bytes: LinkAnswer): void => {
      // Answers to what an earlier link thread brought have nowhere to go.
      if (!outbox || outbox !== this.outbox || indexes[local] === undefined) return
      outbox.post([ToLink.answer, request, indexes[local], status, placeAnswer(outbox, bytes), selfCheckedOf(bytes)])
    }
    const refuse = (): void => indexes.forEach((_, local) => answer(local, LinkStatus.failed, EMPTY))
    if (!handler) {
      this.env.logger.warn({ peer, kind }, 'a peer called what this thread does not handle')
      return refuse()
    }
    const done = new Uint8Array(indexes.length)
    try {
      handler(peer, decodeParts(body), (local, bytes) => {
        if (done[local] !== 0) return
        answer(local, LinkStatus.ok, bytes)
        done[local] = 1
      })
    } catch (error) {
      this.env.logger.error({ peer, kind, error: (error as Error).stack ?? String(error) }, 'a handler of link calls failed')
      for (let local = 0; local < done.length; local++) if (done[local] === 0) answer(local, LinkStatus.failed, EMPTY)
      done.fill(1)
    }
  }

  private notice(peer: number, up: boolean): void {
    if (this.peers.has(peer) === up) return
    if (up) this.peers.add(peer)
    else this.peers.delete(peer)
    for (const listener of this.listeners) this.guard(() => listener(peer, up))
  }

  /** One listener's error neither stops the others nor ends the thread. */
  private guard(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.env.logger.error({ error: (error as Error).stack ?? String(error) }, 'a listener of link answers failed')
    }
  }

  private timedOut(id: number, peer: number, timeoutMs: number): void {
    const left = this.calls.get(id)?.left
    this.settle(id, new LinkError('ERR_MILLRACE_LINK_TIMEOUT', `node ${peer} left ${left} parts of a call unanswered for ${timeoutMs} ms`))
    this.outbox?.post([ToLink.cancel, id])
  }

  private settle(id: number, error: LinkError | null): void {
    const call = this.calls.get(id)
    if (!call) return
    this.calls.delete(id)
    call.timer.cancel()
    if (error) call.reject(error)
    else call.resolve()
  }

  private detach(reason: string): void {
    const { port } = this
    if (!port) return
    this.port = undefined
    this.outbox?.close()
    this.outbox = undefined
    this.ring = undefined
    this.rings.clear()
    this.takenTimer?.cancel()
    this.takenTimer = undefined
    this.taken.clear()
    this.takenBytes = 0
    for (const id of this.calls.keys()) this.settle(id, new LinkError('ERR_MILLRACE_LINK_DOWN', reason))
    for (const peer of this.peers) this.notice(peer, false)
    port.close()
  }
}

function placeAnswer(outbox: PortOutbox<ToLinkMessage>, answer: LinkAnswer): PortBody {
  if (answer instanceof Uint8Array) return outbox.body(answer.length, BODY_LEAD, (target, at) => target.set(answer, at))
  return outbox.body(answer.length, BODY_LEAD, (target, at) => answer.write(target, at))
}

function selfCheckedOf(answer: LinkAnswer): number {
  return answer instanceof Uint8Array ? 0 : (answer.selfChecked ?? 0)
}
