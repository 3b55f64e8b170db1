// Moves of this worker's logs between data directories (AlterReplicaLogDirs). A future log beside the current one takes the rolled
// segments as files, off the event loop, then follows like a follower in this process, and takes the place of the current one in one
// turn of the event loop. Single-threaded, on the partitions' owner; one move at a time, the others wait.
//
// Order of the last steps: the future log is synced up to what was durable BEFORE durable acknowledgements go on; the checkpoint of
// its log start is in its directory BEFORE the swap; in the swap nothing is appended between the last copied batch and the rename;
// the future directory has the partition's name BEFORE the old one loses it, so that a crash leaves one or both, never none.

import { join } from 'node:path'
import type { Env } from '../env/env.js'
import { pauseFor } from '../env/pause.js'
import { clearMovedIn, copyRolled, createFutureDir, futureDirName } from '../log/future.js'
import type { Log } from '../log/log.js'
import { partitionDirName } from '../model/topic-partition.js'
import type { HostedPartition } from './hosted-partition.js'

/** What a turn copies while it catches up. */
const CHUNK_BYTES = 1 << 20
/** What the last turn may copy with the partition standing still. */
const LAST_TURN_BYTES = 4 << 20
/** A wait for the budget looks at the budget again after this. */
const BUDGET_LOOK_MS = 1000
const RETRY_MS = 1000

export interface MoveRequest {
  readonly topic: string
  readonly partition: number
  /** The data directory to move to. */
  readonly target: string
}

export interface LogMovesOptions {
  readonly env: Env
  find(topic: string, partition: number): HostedPartition | undefined
  /** Opens what was copied; the future log's settings and callbacks are those of the current one. */
  openFuture(current: HostedPartition, dir: string, firstOffset: number): Promise<Log>
  /** This worker's share of replica.alter.log.dirs.io.max.bytes.per.second. */
  bytesPerSecond(): number
  /** Resolves when the target directory's checkpoints name these offsets, durably. */
  prepared(request: MoveRequest, future: Log, logStartOffset: number): Promise<void>
  /** It lies there now, or the move ended without: `moved` says which. */
  ended(request: MoveRequest, moved: boolean): void
}

export interface FutureDescription {
  readonly dir: string
  readonly size: number
  readonly logEndOffset: number
}

class Move {
  readonly request: MoveRequest
  future: Log | undefined
  cancelled = false
  constructor(request: MoveRequest) {
    this.request = request
  }
}

export class LogMoves {
  private readonly options: LogMovesOptions
  private readonly moves = new Map<string, Move>()
  private running: Promise<void> | undefined
  private stopping = false
  private buffer: Buffer = Buffer.alloc(0)

  constructor(options: LogMovesOptions) {
    this.options = options
  }

  /** Begins, or goes on with, a move. One to another directory that was under way is given up. */
  start(request: MoveRequest): void {
    const key = partitionDirName(request.topic, request.partition)
    if (this.moves.get(key)?.request.target === request.target) return
    this.cancel(request.topic, request.partition)
    this.moves.set(key, new Move(request))
    this.running ??= this.runAll().finally(() => (this.running = undefined))
  }

  /** The replica stays where it is. */
  cancel(topic: string, partition: number): void {
    const key = partitionDirName(topic, partition)
    const move = this.moves.get(key)
    if (!move) return
    move.cancelled = true
    this.moves.delete(key)
  }

  futureOf(topic: string, partition: number): FutureDescription | undefined {
    const future = this.moves.get(partitionDirName(topic, partition))?.future
    return future && { dir: future.dir, size: future.size, logEndOffset: future.logEndOffset }
  }

  reconfigure(hosted: HostedPartition): void {
    this.moves.get(partitionDirName(hosted.topic, hosted.partition))?.future?.updateConfig(hosted.log.config)
  }

  /** Unfinished moves stay on disk as they are; the next start begins them anew. */
  async close(): Promise<void> {
    this.stopping = true
    for (const move of this.moves.values()) move.cancelled = true
    await this.running
  }

  private async runAll(): Promise<void> {
    for (let move = this.next(); move; move = this.next()) {
      const { topic, partition, target } = move.request
      let moved = false
      try {
        moved = await this.run(move)
      } catch (error) {
        this.options.env.logger.error(
          { topic, partition, target, error: (error as Error).message },
          'moving a replica failed: it stays where it is; ask for the move again when the cause is gone',
        )
      }
      const key = partitionDirName(topic, partition)
      if (this.moves.get(key) === move) this.moves.delete(key)
      if (!this.stopping) this.options.ended(move.request, moved)
    }
  }

  private next(): Move | undefined {
    for (const move of this.moves.values()) if (!move.cancelled) return move
    return undefined
  }

  private async run(move: Move): Promise<boolean> {
    const { topic, partition, target } = move.request
    const hosted = this.options.find(topic, partition)
    if (!hosted) return false
    const source = hosted.log
    const pace = this.pacer(move)
    await source.pauseCompaction(true)
    try {
      while (!move.cancelled) {
        const generation = source.generation
        const files = source.rolledFiles()
        const dir = join(target, futureDirName(topic, partition, this.options.env.random.bytes(16)))
        clearMovedIn(source.dir)
        createFutureDir(dir)
        await copyRolled(files, dir, pace)
        const future = (move.future = await this.options.openFuture(hosted, dir, files.firstOffset))
        const swapped = await this.follow(move, hosted, source, future, generation, pace)
        if (swapped) return true
        move.future = undefined
        if (this.stopping) await future.close(false)
        else await future.delete()
        // The log was cut under the copy (or is not in service): once more from the start, not at once.
        if (source.failure) throw source.failure
        if (!move.cancelled) await pauseFor(RETRY_MS, this.options.env.timers)
      }
      return false
    } finally {
      hosted.holdDurable(false)
      await source.pauseCompaction(false)
    }
  }

  /** Copies what is appended until the future log can take the place of the current one. False: it cannot any more. */
  private async follow(
    move: Move,
    hosted: HostedPartition,
    source: Log,
    future: Log,
    generation: number,
    pace: (bytes: number) => Promise<void>,
  ): Promise<boolean> {
    const isGood = (): boolean => !move.cancelled && !source.failure && source.generation === generation && hosted.log === source
    const catchUp = async (): Promise<void> => {
      while (isGood()) {
        const copied = this.copyChunk(source, future)
        if (copied === 0) return
        await pace(copied)
      }
    }
    let prepared = -1
    for (let nearEnd = false; isGood();) {
      await catchUp()
      if (!isGood()) return false
      if (!nearEnd) {
        // Nobody is promised more than this from now on, until the future log has it on disk too.
        await future.sync()
        hosted.holdDurable(true)
        nearEnd = true
        continue
      }
      await future.sync()
      const logStartOffset = source.logStartOffset
      future.updateHighWatermark(source.highWatermark)
      if (logStartOffset !== prepared) await this.options.prepared(move.request, future, logStartOffset)
      prepared = logStartOffset
      if (isGood() && source.logStartOffset === prepared && this.swap(hosted, source, future)) return true
      await pauseFor(0, this.options.env.timers)
    }
    return false
  }

  /** In one turn: what is left is copied, the names change, the partition goes on with the future log. */
  private swap(hosted: HostedPartition, source: Log, future: Log): boolean {
    hosted.flush()
    for (let copied = 0; future.logEndOffset < source.logEndOffset;) {
      if (copied > LAST_TURN_BYTES) return false
      const bytes = this.copyChunk(source, future)
      if (bytes === 0) return false
      copied += bytes
    }
    if (source.failure || source.writtenOffset !== source.logEndOffset) return false
    if (future.isSyncing || future.durableOffset < Math.min(hosted.state.durableOffset, source.logEndOffset)) return false
    future.updateHighWatermark(source.highWatermark)
    future.advanceLogStart(source.logStartOffset)
    if (source.latestEpoch > future.latestEpoch) future.assignEpochStart(source.latestEpoch)
    future.updateConfig(source.config)
    future.rename(partitionDirName(hosted.topic, hosted.partition))
    const planned = source.dir
    try {
      source.retire()
      clearMovedIn(future.dir)
    } catch (error) {
      // Both have the partition's name now: the mark in the new one says which counts.
      this.options.env.logger.error({ dir: planned, error: (error as Error).message }, 'a replaced log could not be renamed away')
    }
    hosted.replaceLog(future, planned)
    return true
  }

  /** Returns the bytes copied; 0: nothing is written that is not there yet. */
  private copyChunk(source: Log, future: Log): number {
    const offset = Math.max(future.logEndOffset, source.logStartOffset)
    if (offset >= source.writtenOffset) return 0
    const plan = source.planRead(offset, CHUNK_BYTES, source.writtenOffset, true)
    if (plan.kind === 'error') throw new Error(plan.errorMessage)
    if (plan.size === 0) return 0
    if (this.buffer.length < plan.size) this.buffer = Buffer.allocUnsafe(plan.size)
    const size = source.readInto(plan, this.buffer, 0)
    const before = future.logEndOffset
    const result = future.appendAsFollower(this.buffer.subarray(0, size))
    const code = result.errorCode === 0 ? future.flushStaged() : result.errorCode
    if (code !== 0) throw new Error(`the copy in ${future.dir} refused an append: ${result.errorMessage ?? `error ${code}`}`)
    if (future.logEndOffset === before) throw new Error(`no whole batch at offset ${offset} of ${source.dir}`)
    return size
  }

  /** Waits until the budget allows for the bytes that were just copied; at least for the other work of this thread. */
  private pacer(move: Move): (bytes: number) => Promise<void> {
    const { env, bytesPerSecond } = this.options
    let owed = 0
    let last = env.clock.monotonic()
    return async (bytes) => {
      owed += bytes
      for (;;) {
        const rate = bytesPerSecond()
        const now = env.clock.monotonic()
        owed = Math.max(0, owed - ((now - last) * rate) / 1000)
        last = now
        const waitMs = Math.floor((owed * 1000) / rate)
        await pauseFor(Math.min(BUDGET_LOOK_MS, waitMs), this.options.env.timers)
        if (move.cancelled || waitMs <= BUDGET_LOOK_MS) return
      }
    }
  }
}
