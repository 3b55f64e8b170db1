// The workers of a node, as the thread coordinator sees them: starts them, connects each with each other, replaces one that died.
// With zero workers there is one that runs on this very thread.

import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import type { Env } from '../env/env.js'
import { type Caller, LocalCaller, Mailbox, type MailboxHandlers, type MailboxPort } from '../threads/mailbox.js'
import type { WorkerInit } from './messages.js'
import type { BrokerWorker } from './worker.js'

export interface WorkerPoolOptions {
  readonly env: Env
  readonly count: number
  /** What a worker may ask of the thread coordinator. */
  readonly handlers: MailboxHandlers
  initFor(worker: number): WorkerInit
  /** A replacement is running and connected: give it its partitions and listeners. */
  replaced(worker: number): Promise<void>
}

/** A worker that lived shorter than this probably cannot live here at all. */
const YOUNG_MS = 2000
const RETRY_AFTER_MS = 1000

interface Seat {
  readonly caller: Caller
  readonly thread: Worker | undefined
}

export class WorkerPool {
  private localWorker: BrokerWorker | undefined
  private readonly options: WorkerPoolOptions
  private readonly seats: Seat[] = []
  private closing = false
  private referenced = true
  private begun = false

  /** Starts the threads at once: loading their modules overlaps with what the coordinator still has to open. */
  constructor(options: WorkerPoolOptions) {
    this.options = options
    for (let worker = 0; worker < options.count; worker++) this.seats.push(this.start(worker))
  }

  /** Gives every worker what it starts from, and each the way to each other. */
  async begin(): Promise<void> {
    const { count, env, handlers, initFor } = this.options
    if (count === 0) {
      const { BrokerWorker: WorkerClass } = await import('./worker.js')
      this.localWorker = new WorkerClass(initFor(0), env, new LocalCaller(handlers))
      this.seats.push({ caller: new LocalCaller(this.localWorker.handlers()), thread: undefined })
      this.begun = true
      return
    }
    for (let worker = 0; worker < count; worker++) this.caller(worker).notify('init', initFor(worker))
    for (let worker = 0; worker < count; worker++) {
      for (let other = worker + 1; other < count; other++) this.link(worker, other)
    }
    this.begun = true
  }

  /** The worker on this thread, with `workers: 0`. */
  get local(): BrokerWorker | undefined {
    return this.localWorker
  }

  get count(): number {
    return this.seats.length
  }

  caller(worker: number): Caller {
    return this.seats[worker]!.caller
  }

  /** The workers that have begun: none before `begin`, when a start fails early. */
  get callers(): readonly Caller[] {
    return (this.begun ? this.seats : []).map((seat) => seat.caller)
  }

  /** Whether the workers keep the process alive: while starting and stopping, and for as long as there are listeners. */
  keepAlive(referenced: boolean): void {
    this.referenced = referenced
    for (const { thread } of this.seats) {
      if (referenced) thread?.ref()
      else thread?.unref()
    }
  }

  /** Ends a worker thread as a crash would. For tests of its replacement. */
  async kill(worker: number): Promise<void> {
    await this.seats[worker]!.thread?.terminate()
  }

  async close(): Promise<void> {
    this.closing = true
    await Promise.all(this.seats.map((seat) => seat.thread?.terminate() ?? Promise.resolve(0)))
  }

  private start(worker: number): Seat {
    const { env, handlers } = this.options
    const started = env.clock.monotonic()
    const execArgv = argumentsWithoutEntry()
    const thread = new Worker(new URL('./worker-thread.js', import.meta.url), {
      name: `millrace-worker-${worker}`,
      ...(execArgv && { execArgv }),
    })
    const mailbox = new Mailbox(thread as unknown as MailboxPort, handlers)
    thread.on('error', (error: Error) => env.logger.error({ worker, error: error.stack ?? error.message }, 'a worker failed'))
    thread.on('exit', (code) => {
      mailbox.fail(`worker ${worker} ended`)
      if (!this.closing) this.replaceSoon(worker, code, env.clock.monotonic() - started)
    })
    if (!this.referenced) thread.unref()
    return { caller: mailbox, thread }
  }

  /** At once after a long life; one that dies young is not started again and again without a pause. */
  private replaceSoon(worker: number, code: number, livedMs: number): void {
    const { env } = this.options
    env.logger.warn({ worker, code, livedMs }, 'a worker ended; another takes its place')
    if (livedMs > YOUNG_MS) this.replace(worker)
    else env.timers.after(RETRY_AFTER_MS, () => this.replace(worker))
  }

  private replace(worker: number): void {
    if (this.closing) return
    const { env } = this.options
    this.seats[worker] = this.start(worker)
    // Before `begin` the others have nothing either: it will serve this one too.
    if (!this.begun) return
    this.caller(worker).notify('init', this.options.initFor(worker))
    for (let other = 0; other < this.seats.length; other++) if (other !== worker) this.link(worker, other)
    this.options.replaced(worker).catch((error: Error) => env.logger.error({ worker, error: error.message }, 'replacing a worker failed'))
  }

  private link(a: number, b: number): void {
    const { port1, port2 } = new MessageChannel()
    this.introduce(a, b, port1)
    this.introduce(b, a, port2)
  }

  private introduce(worker: number, peer: number, port: MessagePort): void {
    this.caller(worker).notify('peer', { id: peer, port }, [port])
  }
}

/**
 * What the process was started with, without what only makes sense for its own entry (`node --input-type=module -e …`). Undefined where there is no such
 * thing: a thread inherits everything then, also the flags of V8 that Node refuses in a list.
 */
function argumentsWithoutEntry(): string[] | undefined {
  const isEntry = (argument: string, before: string | undefined) =>
    /^(--input-type|-e$|--eval|-p$|--print)/.test(argument) || /^(-e|--eval|-p|--print)$/.test(before ?? '')
  const kept = process.execArgv.filter((argument, i, all) => !isEntry(argument, all[i - 1]))
  return kept.length === process.execArgv.length ? undefined : kept
}
