// What the link thread and a thread of the node say to each other over their MessagePort: lists of these, one list per turn of the event loop, with
// every ArrayBuffer that is whole moved. Numbers as tags, because there are many.

import type { MessagePort } from 'node:worker_threads'

export const ToLink = { call: 0, cancel: 1, answer: 2, taken: 3 } as const
export const ToDoor = { request: 0, answers: 1, failed: 2, peer: 3 } as const

export type ToLinkMessage =
  /** `body` as request-body.ts makes it. */
  | readonly [typeof ToLink.call, call: number, peer: number, kind: number, count: number, body: Uint8Array]
  | readonly [typeof ToLink.cancel, call: number]
  | readonly [typeof ToLink.answer, request: number, index: number, status: number, body: readonly Uint8Array[]]
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
      body: Uint8Array,
    ]
  /** Answers, five numbers each: call, index, status, start and end of the body in `bytes`. */
  | readonly [typeof ToDoor.answers, session: number, bytes: Uint8Array, table: readonly number[]]
  | readonly [typeof ToDoor.failed, call: number, code: string, text: string]
  | readonly [typeof ToDoor.peer, peer: number, up: boolean]

/** The part of a MessagePort that is used. */
export type LinkPort = Pick<MessagePort, 'postMessage' | 'close'> & {
  on(event: 'message', listener: (message: unknown) => void): unknown
  on(event: 'close', listener: () => void): unknown
}

const SMALL = 4096

/** Collects the messages of one turn. Bodies that are whole ArrayBuffers are moved; views of something larger are copied, or all of it would be cloned. */
export class PortOutbox<Message> {
  private readonly port: LinkPort
  private readonly last: () => readonly Message[]
  private messages: Message[] = []
  private moved: ArrayBuffer[] = []
  private scheduled = false
  private closed = false

  /** `last`: asked whenever a list is about to leave, for what was in no hurry. */
  constructor(port: LinkPort, last: () => readonly Message[] = () => []) {
    this.port = port
    this.last = last
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

  /** Makes `bytes` fit to be posted: itself if it may move, else a copy. Each may be given once. */
  give(bytes: Uint8Array): Uint8Array {
    const { buffer } = bytes
    if (bytes.length >= SMALL && bytes.byteLength === buffer.byteLength && buffer instanceof ArrayBuffer) {
      this.moved.push(buffer)
      return bytes
    }
    const copy = new Uint8Array(new ArrayBuffer(bytes.length))
    copy.set(bytes)
    if (copy.length >= SMALL) this.moved.push(copy.buffer)
    return copy
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
