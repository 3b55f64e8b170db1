// The log-backed life of one coordinator shard (= one partition of an internal topic), on the worker that owns the
// partition. It owns the order "append, commit, replay, answer" and the loading of the log; it never knows what a
// record means, and opens no socket, file or thread.
//
//   idle → loading → active → (append of unknown fate) → loading …
//                       └→ resigned
//
// A handler returns `{records, response}`. Its records go into the next batch; once the batch is committed they are
// replayed in log order, and only then the response leaves. So the state is exactly the committed prefix of the log:
// a failed append needs no rollback, and no reader sees what may be lost. (Kafka replays at append time and keeps
// snapshots to go back to; here a commit is a local write, or one round to the followers.) The price is that a handler
// does not see writes still in flight. Handlers that decide by what they read name a `key`: operations of one key run one
// after the other, each after the commit of the one before. Blind writes (offset commits) name none and pipeline.
//
// One append is in flight at a time; what arrives meanwhile goes into the next batch.

import type { Env, Timer } from '../../env/env.js'
import { ErrorCode } from '../error-codes.js'
import type { CoordinatorRecord, PartitionWriter, ReplayTarget } from './coordinator-record.js'
import { decodeRecords, encodeBatch, estimateRecordBytes } from './record-batches.js'

/** `errorCode` is the append's own or `readiness`; `coordinatorErrorForAppend` says what a client is told. */
export type Outcome<T> = { readonly errorCode: 0; readonly response: T } | { readonly errorCode: number; readonly response?: undefined }

export interface HandlerOutput<T> {
  readonly records: readonly CoordinatorRecord[]
  readonly response: T
}

export interface RuntimeOptions {
  readonly writer: PartitionWriter
  readonly env: Env
  readonly target: ReplayTarget
  /** Upper bound of a batch; at most the internal topic's `max.message.bytes`. */
  readonly maxBatchBytes: () => number
}

type RuntimeState = 'idle' | 'loading' | 'active' | 'resigned'

interface PendingAppend {
  readonly records: readonly CoordinatorRecord[]
  readonly bytes: number
  readonly done: (errorCode: number) => void
}

const RELOAD_DELAY_MS = 500

export class CoordinatorRuntime {
  private readonly options: RuntimeOptions
  private state: RuntimeState = 'idle'
  /** Raised by every load and resign, so that what was started before knows it is late. */
  private incarnation = 0
  private queue: PendingAppend[] = []
  private inFlight = false
  private readonly chains = new Map<string, Promise<unknown>>()
  private reloadTimer: Timer | undefined
  /** The operations of the batch in flight, answered early when the shard stops. */
  private current: PendingAppend[] = []

  constructor(options: RuntimeOptions) {
    this.options = options
  }

  /** 0 while operations are taken, else the error that refuses them. */
  get readiness(): number {
    switch (this.state) {
      case 'active':
        return ErrorCode.none
      case 'loading':
        return ErrorCode.coordinatorLoadInProgress
      default:
        return ErrorCode.notCoordinator
    }
  }

  /** Replays the whole partition. Resolves when the shard serves, was resigned meanwhile, or will try again later (logged). */
  async load(): Promise<void> {
    this.unload(ErrorCode.notCoordinator)
    this.state = 'loading'
    const incarnation = this.incarnation
    const { target, writer, env } = this.options
    target.reset()
    try {
      for await (const chunk of writer.load()) {
        if (this.incarnation !== incarnation) return
        for (const record of decodeRecords(chunk)) target.replay(record)
      }
    } catch (cause) {
      if (this.incarnation !== incarnation) return
      env.logger.error({ err: cause }, 'the coordinator could not read its partition; it tries again')
      this.reloadTimer = env.timers.after(RELOAD_DELAY_MS, () => void this.load())
      return
    }
    if (this.incarnation !== incarnation) return
    this.state = 'active'
    target.onLoaded()
  }

  /** The partition moved away: everything parked is answered NOT_COORDINATOR and the state is dropped. */
  resign(): void {
    this.unload(ErrorCode.notCoordinator)
    this.state = 'resigned'
    this.options.target.reset()
  }

  /**
   * Runs `handler` and answers after its records are committed and replayed. `key`: after every earlier operation of that key.
   */
  async write<T>(handler: () => HandlerOutput<T>, key?: string): Promise<Outcome<T>> {
    if (key === undefined) return this.writeNow(handler)
    const before = this.chains.get(key)
    const turn = before === undefined ? this.writeNow(handler) : before.then(() => this.writeNow(handler))
    const settled = turn.then(ignore, ignore)
    this.chains.set(key, settled)
    try {
      return await turn
    } finally {
      if (this.chains.get(key) === settled) this.chains.delete(key)
    }
  }

  /** Reads committed state; no waiting is needed because nothing else is ever visible. */
  read<T>(handler: () => T): Outcome<T> {
    const refused = this.readiness
    if (refused !== ErrorCode.none) return { errorCode: refused }
    return { errorCode: 0, response: handler() }
  }

  /** Appends `records` in order (split over batches when they are more than one holds); `done` runs after the last one is replayed. */
  append(records: readonly CoordinatorRecord[], done: (errorCode: number) => void): void {
    const refused = this.readiness
    if (refused !== ErrorCode.none) {
      done(refused)
      return
    }
    const parts = this.split(records)
    let failure = 0
    parts.forEach((part, index) => {
      const last = index === parts.length - 1
      this.queue.push({
        ...part,
        done: (errorCode) => {
          failure ||= errorCode
          if (last) done(failure)
        },
      })
    })
    if (!this.inFlight) {
      this.inFlight = true
      // A microtask later, so that operations of one mailbox message share a batch.
      queueMicrotask(() => void this.drain())
    }
  }

  private async writeNow<T>(handler: () => HandlerOutput<T>): Promise<Outcome<T>> {
    const refused = this.readiness
    if (refused !== ErrorCode.none) return { errorCode: refused }
    const { records, response } = handler()
    if (records.length === 0) return { errorCode: 0, response }
    const errorCode = await new Promise<number>((resolve) => this.append(records, resolve))
    return errorCode === 0 ? { errorCode: 0, response } : { errorCode }
  }

  private split(records: readonly CoordinatorRecord[]): { records: CoordinatorRecord[]; bytes: number }[] {
    const limit = this.options.maxBatchBytes()
    const parts: { records: CoordinatorRecord[]; bytes: number }[] = []
    let part = { records: [] as CoordinatorRecord[], bytes: 0 }
    for (const record of records) {
      const bytes = estimateRecordBytes(record)
      if (part.records.length > 0 && part.bytes + bytes > limit) {
        parts.push(part)
        part = { records: [], bytes: 0 }
      }
      part.records.push(record)
      part.bytes += bytes
    }
    parts.push(part)
    return parts
  }

  private async drain(): Promise<void> {
    const incarnation = this.incarnation
    while (this.queue.length > 0 && this.incarnation === incarnation) {
      const group = this.takeBatch()
      this.current = group
      const records = group.flatMap((pending) => pending.records)
      const result = await this.appendBatch(records)
      if (this.incarnation !== incarnation) return
      this.current = []
      this.finish(group, records, result.errorCode, result.offset)
    }
    if (this.incarnation === incarnation) this.inFlight = false
  }

  private takeBatch(): PendingAppend[] {
    const limit = this.options.maxBatchBytes()
    let bytes = 0
    let count = 0
    while (count < this.queue.length && (count === 0 || bytes + this.queue[count]!.bytes <= limit)) {
      bytes += this.queue[count]!.bytes
      count++
    }
    return this.queue.splice(0, count)
  }

  private async appendBatch(records: readonly CoordinatorRecord[]): Promise<{ errorCode: number; offset: number }> {
    const { env, writer } = this.options
    const batch = encodeBatch(records, env.clock.now())
    try {
      return await writer.append(batch)
    } catch (cause) {
      env.logger.error({ err: cause }, 'the append of coordinator records failed')
      return { errorCode: ErrorCode.unknownServerError, offset: 0 }
    }
  }

  private finish(group: readonly PendingAppend[], records: readonly CoordinatorRecord[], errorCode: number, offset: number): void {
    if (errorCode === ErrorCode.none) {
      // Replayed BEFORE answered: whoever was answered finds the change.
      for (const record of records) this.options.target.replay(record)
      for (const pending of group) pending.done(ErrorCode.none)
      return
    }
    for (const pending of group) pending.done(errorCode)
    if (offset >= 0) {
      this.options.env.logger.warn({ errorCode }, 'an append of unknown fate: the coordinator loads its partition again')
      void this.load()
    }
  }

  private unload(errorCode: number): void {
    this.incarnation++
    this.reloadTimer?.cancel()
    this.reloadTimer = undefined
    const parked = [...this.current, ...this.queue]
    this.current = []
    this.queue = []
    this.inFlight = false
    const wasActive = this.state === 'active'
    // Closed BEFORE answered: a `done` that appends again is refused.
    this.state = 'resigned'
    for (const pending of parked) pending.done(errorCode)
    if (wasActive) this.options.target.onUnloaded(errorCode)
  }
}

function ignore(): void {}
