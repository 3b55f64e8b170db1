// One end of a two-way queue between two threads: calls, notices and replies, several per message.
// Everything sent during one turn of the event loop travels in ONE postMessage. What a message means is the business of the
// handlers given here; this file knows only delivery. A closed peer fails every call that waits (ERR_MILLRACE_WORKER_GONE).
// Runs on every thread. A hop costs 16-32 µs of CPU, so callers group what they send.

import type { MessagePort } from 'node:worker_threads'

/** What changes hands between threads instead of being copied. */
export type Movable = ArrayBuffer | MessagePort
export type MailboxHandler = (argument: never) => unknown
export type MailboxHandlers = ReadonlyMap<string, MailboxHandler>

/** What both a real mailbox and a same-thread one offer. */
export interface Caller {
  /** Resolves with the handler's result. `transfer`: buffers that change hands instead of being copied. */
  call<Result>(method: string, argument: unknown, transfer?: readonly Movable[]): Promise<Result>
  notify(method: string, argument: unknown, transfer?: readonly Movable[]): void
}

/** A handler returns this to move buffers with its result. */
export class Transferred {
  readonly value: unknown
  readonly buffers: readonly Movable[]
  constructor(value: unknown, buffers: readonly Movable[]) {
    this.value = value
    this.buffers = buffers
  }
}

export class MailboxError extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.name = 'MailboxError'
    this.code = code
  }
}

const CALL = 0
const NOTICE = 1
const REPLY = 2
const FAILURE = 3
type Envelope =
  | readonly [typeof CALL, number, string, unknown]
  | readonly [typeof NOTICE, number, string, unknown]
  | readonly [typeof REPLY, number, string, unknown]
  | readonly [typeof FAILURE, number, string, { readonly code: string; readonly message: string }]

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

/** The part of MessagePort and Worker that a mailbox needs. */
export type MailboxPort = Pick<MessagePort, 'postMessage'> & {
  on(event: 'message', listener: (message: unknown) => void): unknown
  on(event: 'close' | 'exit', listener: () => void): unknown
}

export class Mailbox implements Caller {
  private readonly port: MailboxPort
  private readonly handlers: MailboxHandlers
  private readonly waiting = new Map<number, Waiting>()
  private outbox: Envelope[] = []
  private outboxBuffers: Movable[] = []
  private nextId = 1
  private closed = false

  constructor(port: MailboxPort, handlers: MailboxHandlers) {
    this.port = port
    this.handlers = handlers
    port.on('message', (message) => this.receive(message as Envelope[]))
    port.on('close', () => this.fail('the other thread closed its end'))
  }

  call<Result>(method: string, argument: unknown, transfer?: readonly Movable[]): Promise<Result> {
    if (this.closed) return Promise.reject(gone(`cannot call ${method}: the thread is gone`))
    return new Promise<Result>((resolve, reject) => {
      const id = this.nextId++
      this.waiting.set(id, { resolve: resolve as (value: unknown) => void, reject })
      this.enqueue([CALL, id, method, argument], transfer)
    })
  }

  notify(method: string, argument: unknown, transfer?: readonly Movable[]): void {
    if (!this.closed) this.enqueue([NOTICE, 0, method, argument], transfer)
    // A port that never arrives must not look open to who holds the other end.
    else for (const one of transfer ?? []) if (!(one instanceof ArrayBuffer)) one.close()
  }

  /** Ends every waiting call. Also called when the peer thread exits. */
  fail(reason: string): void {
    if (this.closed) return
    this.closed = true
    for (const { reject } of this.waiting.values()) reject(gone(reason))
    this.waiting.clear()
  }

  private enqueue(envelope: Envelope, transfer?: readonly Movable[]): void {
    if (this.outbox.length === 0) queueMicrotask(() => this.flush())
    this.outbox.push(envelope)
    if (transfer) this.outboxBuffers.push(...transfer)
  }

  private flush(): void {
    const envelopes = this.outbox
    const buffers = this.outboxBuffers
    this.outbox = []
    this.outboxBuffers = []
    if (!this.closed) this.port.postMessage(envelopes, buffers)
  }

  private receive(envelopes: readonly Envelope[]): void {
    for (const envelope of envelopes) {
      const [kind, id, method, payload] = envelope
      if (kind === CALL) this.answer(id, method, payload)
      else if (kind === NOTICE) this.handlerFor(method)(payload as never)
      else this.settle(kind, id, payload)
    }
  }

  private answer(id: number, method: string, argument: unknown): void {
    let result: unknown
    try {
      result = this.handlerFor(method)(argument as never)
    } catch (error) {
      this.replyFailure(id, error)
      return
    }
    if (result instanceof Promise) {
      result.then(
        (value: unknown) => this.reply(id, value),
        (error: unknown) => this.replyFailure(id, error),
      )
    } else this.reply(id, result)
  }

  private handlerFor(method: string): MailboxHandler {
    const handler = this.handlers.get(method)
    if (!handler) throw new MailboxError('ERR_MILLRACE_NO_HANDLER', `no handler for ${method} on this thread`)
    return handler
  }

  private reply(id: number, result: unknown): void {
    if (result instanceof Transferred) this.enqueue([REPLY, id, '', result.value], result.buffers)
    else this.enqueue([REPLY, id, '', result])
  }

  private replyFailure(id: number, error: unknown): void {
    const { code, message } = error as { code?: string; message?: string }
    this.enqueue([FAILURE, id, '', { code: code ?? 'ERR_MILLRACE_INTERNAL', message: message ?? String(error) }])
  }

  private settle(kind: typeof REPLY | typeof FAILURE, id: number, payload: unknown): void {
    const waiting = this.waiting.get(id)
    if (!waiting) return
    this.waiting.delete(id)
    if (kind === REPLY) waiting.resolve(payload)
    else {
      const { code, message } = payload as { code: string; message: string }
      waiting.reject(new MailboxError(code, message))
    }
  }
}

/** The same doors without a thread between: used with `workers: 0` and for a worker's calls to itself. */
export class LocalCaller implements Caller {
  private readonly handlers: MailboxHandlers
  constructor(handlers: MailboxHandlers) {
    this.handlers = handlers
  }

  async call<Result>(method: string, argument: unknown): Promise<Result> {
    const result = await this.handler(method)(argument as never)
    return (result instanceof Transferred ? result.value : result) as Result
  }

  notify(method: string, argument: unknown): void {
    this.handler(method)(argument as never)
  }

  private handler(method: string): MailboxHandler {
    const handler = this.handlers.get(method)
    if (!handler) throw new MailboxError('ERR_MILLRACE_NO_HANDLER', `no handler for ${method}`)
    return handler
  }
}

function gone(reason: string): MailboxError {
  return new MailboxError('ERR_MILLRACE_WORKER_GONE', reason)
}
