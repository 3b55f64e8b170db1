// What the link thread and a thread of the node say to each other over their MessagePort: lists of these, one list per turn of the event loop.
// Bodies lie in a ring that both see (threads/shared-ring.ts); those that find no room there come along in an ArrayBuffer that is moved.
// Long answers lie where the socket was read to (answer-rings.ts). Numbers as tags, because there are many.

import type { MessagePort } from 'node:worker_threads'
import { type Placed, RingBody, type RingReader, RingWriter } from '../threads/shared-ring.js'

export const ToLink = { call: 0, cancel: 1, answer: 2, taken: 3 } as const
export const ToDoor = { request: 0, answers: 1, failed: 2, peer: 3, rings: 4, ring: 5, answersInRing: 6 } as const

export type PortBody = Uint8Array | Placed

/** `selfChecked`: see WrittenAnswer. */
export type ToLinkAnswer = readonly [
  typeof ToLink.answer,
  request: number,
  index: number,
  status: number,
  body: PortBody,
  selfChecked: number,
]

export type ToLinkMessage =
  /** `body` as request-body.ts makes it. */
  | readonly [typeof ToLink.call, call: number, peer: number, kind: number, count: number, body: PortBody]
  | readonly [typeof ToLink.cancel, call: number]
  | ToLinkAnswer
  /** Bytes of a session that are no longer held here. */
  | readonly [typeof ToLink.taken, session: number, bytes: number]

export type ToDoorMessage =
  /** `indexes`: of these parts among those of the peer's call. */
  | readonly [
      typeof ToDoor.request,
      request: number,
      session: number,
      peer: number,
      kind: number,
      indexes: readonly number[],
      body: PortBody,
    ]
  /** Answers, five numbers each: call, index, status, start and end of the body in `bytes`. */
  | readonly [typeof ToDoor.answers, session: number, bytes: PortBody, table: readonly number[]]
  /** The same, in the session's own ring. */
  | readonly [typeof ToDoor.answersInRing, session: number, bytes: Placed, table: readonly number[]]
  | readonly [typeof ToDoor.failed, call: number, code: string, text: string]
  | readonly [typeof ToDoor.peer, peer: number, up: boolean]
  /** First of all, to a thread whose calls carry records: the memory of bodies, each way. */
  | readonly [typeof ToDoor.rings, toLink: SharedArrayBuffer, toDoor: SharedArrayBuffer]
  /** Where long answers of a session lie from here on (answer-rings.ts); null: the session is over. */
  | readonly [typeof ToDoor.ring, session: number, memory: SharedArrayBuffer | null]

/** The part of a MessagePort that is used. */
export type LinkPort = Pick<MessagePort, 'postMessage' | 'close'> & {
  on(event: 'message', listener: (message: unknown) => void): unknown
  on(event: 'close', listener: () => void): unknown
}

const SMALL = 4096

/** Collects the messages of one turn, and places their bodies. */
export class PortOutbox<Message> {
  private readonly port: LinkPort
  private readonly last: () => readonly Message[]
  private ring: RingWriter | undefined
  private messages: Message[] = []
  private moved: ArrayBuffer[] = []
  private scheduled = false
  private closed = false

  /** `last`: asked whenever a list is about to leave, for what was in no hurry. */
  constructor(port: LinkPort, last: () => readonly Message[] = () => []) {
    this.port = port
    this.last = last
  }

  /** From here on bodies go through this memory. */
  useRing(memory: SharedArrayBuffer): void {
    this.ring = new RingWriter(memory)
  }

  post(message: Message): void {
    if (this.closed) return
    this.messages.push(message)
    this.leave()
  }

  /** A list leaves after this turn, even if it holds only what `last` gives. */
  leave(): void {
    if (this.scheduled || this.closed) return
    this.scheduled = true
    // After the poll phase: everything that sockets and ports brought in this turn leaves together.
    setImmediate(() => this.flush())
  }

  /** Has `write` put `length` bytes where the other thread finds them, at once. For one message, which is to be posted next. `lead`: see RingWriter. */
  body(length: number, lead: number, write: (target: Uint8Array, at: number) => void): PortBody {
    const placed = this.closed ? undefined : this.ring?.place(length, lead, write)
    if (placed) return placed
    const bytes = new Uint8Array(new ArrayBuffer(length))
    write(bytes, 0)
    if (length >= SMALL) this.moved.push(bytes.buffer)
    return bytes
  }

  close(): void {
    this.closed = true
    this.messages = []
    this.moved = []
  }

  private flush(): void {
    this.scheduled = false
    if (this.closed) return
    const { messages, moved } = this
    this.messages = []
    this.moved = []
    messages.push(...this.last())
    if (messages.length > 0) this.port.postMessage(messages, moved)
  }
}

/** A body that came: in the ring until it is released, or of its own. */
export function received(body: PortBody, ring: RingReader | undefined): RingBody | Uint8Array {
  if (body instanceof Uint8Array) return body
  if (!ring) throw new Error('a body in a ring that is not there')
  return ring.take(body)
}

export function bytesOf(body: RingBody | Uint8Array): Uint8Array {
  return body instanceof RingBody ? body.bytes : body
}

/** Undefined: of its own, there is nothing to release. */
export function ringBodyOf(body: RingBody | Uint8Array): RingBody | undefined {
  return body instanceof RingBody ? body : undefined
}

export function release(body: RingBody | Uint8Array): void {
  if (body instanceof RingBody) body.release()
}
