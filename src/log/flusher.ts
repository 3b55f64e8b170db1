// Group commit of one log: at most one fsync in flight, callers that come meanwhile share the next one. Rolled segments
// are synced first, with their indexes and the producer snapshot beside them; only then does the recovery point pass
// them. Order that must hold: data synced BEFORE the durable offset or the recovery point moves. A failed fsync is never
// retried: what it covered may be lost in the page cache, so the log is out of service until it is opened again.

import { errorCodeOf, errorText, LogError } from './codes.js'
import { syncPath, SUFFIX } from './files.js'
import { native } from './native.js'
import type { Segment } from './segment.js'

export interface FlushHost {
  dir(): string
  writtenOffset(): number
  activeSegment(): Segment
  snapshotPath(offset: number): string
  /** Small files and directories that must be durable before anything of the log is; they are not named again. */
  takeUnsynced(): readonly string[]
  /** Poisons the log. */
  onSyncFailed(error: LogError): void
  onRecoveryPoint(): void
}

interface RolledSegment {
  readonly segment: Segment
  /** Base offset of the segment after it. */
  readonly endOffset: number
}

export class Flusher {
  readonly #host: FlushHost
  #durableOffset: number
  #recoveryPoint: number
  #rolled: RolledSegment[] = []
  #running: Promise<number> | undefined
  #next: Promise<number> | undefined
  #activeWanted = false
  /** A new file's name is durable only once its directory is. */
  #directoryDirty = true
  /** What the sync in flight will have made durable; a truncation meanwhile lowers it. */
  #captured = 0
  #syncs = 0

  constructor(host: FlushHost, durableOffset: number, recoveryPoint: number) {
    this.#host = host
    this.#durableOffset = durableOffset
    this.#recoveryPoint = recoveryPoint
  }

  get durableOffset(): number {
    return this.#durableOffset
  }

  get recoveryPoint(): number {
    return this.#recoveryPoint
  }

  /** fsyncs of the active segment so far. */
  get syncs(): number {
    return this.#syncs
  }

  /** Resolves with a durable offset of at least what was written when this was called. */
  sync(): Promise<number> {
    if (this.#durableOffset >= this.#host.writtenOffset()) return Promise.resolve(this.#durableOffset)
    this.#activeWanted = true
    return this.#enqueue()
  }

  /** A segment was rolled: it is synced in the background. */
  rolled(segment: Segment, endOffset: number): void {
    this.#rolled.push({ segment, endOffset })
    this.#directoryDirty = true
    // the failure itself is told to the host; nobody waits for this one
    this.#enqueue().catch(() => undefined)
  }

  directoryChanged(): void {
    this.#directoryDirty = true
  }

  onTruncated(offset: number): void {
    this.#durableOffset = Math.min(this.#durableOffset, offset)
    this.#recoveryPoint = Math.min(this.#recoveryPoint, offset)
    this.#captured = Math.min(this.#captured, offset)
    this.#rolled = this.#rolled.filter((rolled) => rolled.endOffset <= offset)
  }

  onStartedAt(offset: number): void {
    this.#rolled = []
    this.#durableOffset = this.#recoveryPoint = this.#captured = offset
  }

  /** The segment goes away (retention): nothing to sync any more. */
  forget(segment: Segment): void {
    this.#rolled = this.#rolled.filter((rolled) => rolled.segment !== segment)
  }

  /** A sync is in flight or queued: the handles it has must stay open. */
  get isBusy(): boolean {
    return this.#running !== undefined
  }

  /** Resolves when nothing is in flight or queued; never rejects. */
  async idle(): Promise<void> {
    while (this.#running) await Promise.allSettled([this.#running, this.#next])
  }

  #enqueue(): Promise<number> {
    if (!this.#running) return this.#start()
    this.#next ??= this.#running.then(() => {
      this.#next = undefined
      return this.#start()
    })
    return this.#next
  }

  #start(): Promise<number> {
    const run = this.#run().finally(() => {
      if (this.#running === run) this.#running = undefined
    })
    this.#running = run
    return run
  }

  async #run(): Promise<number> {
    try {
      while (this.#rolled.length > 0) await this.#syncRolled(this.#rolled[0]!)
      if (this.#activeWanted) await this.#syncActive()
      return this.#durableOffset
    } catch (error) {
      this.#next = undefined
      const failure =
        error instanceof LogError
          ? error
          : new LogError(errorCodeOf(error), `fsync in ${this.#host.dir()} failed: ${errorText(error)}`, error)
      this.#host.onSyncFailed(failure)
      throw failure
    }
  }

  async #syncRolled(rolled: RolledSegment): Promise<void> {
    const { segment, endOffset } = rolled
    await pinned(segment, (handle) => native().segmentSync(handle, true))
    await syncPath(segment.pathOf(SUFFIX.txnIndex))
    await syncPath(this.#host.snapshotPath(endOffset))
    await this.#syncDirectory()
    if (this.#rolled[0] !== rolled) return // truncated or removed meanwhile
    this.#rolled.shift()
    this.#durableOffset = Math.max(this.#durableOffset, endOffset)
    this.#recoveryPoint = Math.max(this.#recoveryPoint, endOffset)
    this.#host.onRecoveryPoint()
  }

  async #syncActive(): Promise<void> {
    this.#activeWanted = false
    if (this.#durableOffset >= this.#host.writtenOffset()) return // the run before covered it
    this.#captured = this.#host.writtenOffset()
    await this.#syncDirectory()
    this.#syncs++
    await pinned(this.#host.activeSegment(), (handle) => native().segmentSync(handle, false))
    this.#durableOffset = Math.max(this.#durableOffset, this.#captured)
  }

  async #syncDirectory(): Promise<void> {
    for (const path of this.#host.takeUnsynced()) await syncPath(path)
    if (!this.#directoryDirty) return
    this.#directoryDirty = false
    await syncPath(this.#host.dir())
  }
}

async function pinned(segment: Segment, sync: (handle: number) => Promise<number>): Promise<void> {
  const handle = segment.readHandle()
  segment.pins++
  try {
    await sync(handle)
  } finally {
    segment.pins--
  }
}
