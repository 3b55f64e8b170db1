// One partition as this worker hosts it: its log, its replication state, and who waits on it. Ties the three together and acts: after an
// append it flushes, tells the state how far the log is, and frees the waits the new high watermark allows. Single-threaded, on its owner.

import type { Timers } from '../env/env.js'
import { errors } from '../model/errors.js'
import type { Log } from '../log/log.js'
import { checkReplicated } from '../log/replicated-batches.js'
import type { AppendOrigin, AppendResult, ReadPlan } from '../log/types.js'
import { type FetchItem, type FetchOutcome, type FetchReader, planFetch } from './fetch-plan.js'
import { type LeaderAndIsr, PartitionState } from './partition/partition-state.js'
import { type DeleteRecordsAnswer, DeleteQueue } from './purgatory/delete-queue.js'
import { ProduceQueue, type ProduceSink, type ProduceWait } from './purgatory/produce-queue.js'

/** What a producer asked for: `acks`, and whether this call wants the `disk` promise whatever the topic's is. */
export interface AppendTerms {
  /** -1 all, 0, 1 */
  readonly acks: number
  readonly disk: boolean
  readonly apiVersion: number
  readonly origin: AppendOrigin
}

/** What became of a leader's answer on a follower. */
export interface ReplicatedAppend {
  readonly errorCode: number
  /** Bytes appended. */
  readonly size: number
  /** The batch that was not appended because its checksum or its offset is wrong; undefined: none. */
  readonly corrupt: { readonly offset: number; readonly message: string } | undefined
}

const SET_TOO_SMALL = {
  errorCode: errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND.code,
  errorMessage: 'written, but fewer replicas than min.insync.replicas are in sync by now',
}
const UNCERTAIN = {
  errorCode: errors.NOT_LEADER_OR_FOLLOWER.code,
  errorMessage: 'this node was not heard of for so long that another may lead by now: the records may be there or not',
}
const LEADERSHIP_LOST = {
  errorCode: errors.NOT_LEADER_OR_FOLLOWER.code,
  errorMessage: 'leadership was lost before the in-sync set had the records: the new leader may have them or not',
}

export function failedAppend(errorCode: number, errorMessage: string | null = null): AppendResult {
  return {
    errorCode,
    errorMessage,
    recordErrors: null,
    baseOffset: -1,
    lastOffset: -1,
    logAppendTime: -1,
    logStartOffset: -1,
    duplicate: false,
  }
}

export class HostedPartition {
  readonly topic: string
  readonly partition: number
  /** Another one after the replica moved between data directories. */
  log: Log
  readonly state: PartitionState
  /** Of a leader with followers: told when there is something for them. */
  onReplicationNews: ((hosted: HostedPartition) => void) | null = null
  /** Of a follower on the `disk` promise: told when it has synced more. */
  onSynced: ((hosted: HostedPartition) => void) | null = null
  /** What verification found wrong with this log. A damaged replica may not lead, and leaves the ISR before it repairs itself. */
  damage: { readonly offset: number; readonly message: string } | null = null
  /** leader.replication.throttled.replicas of the topic names this replica. */
  isLeaderThrottled = false
  /** follower.replication.throttled.replicas does. */
  isFollowerThrottled = false
  private readonly produce = new ProduceQueue()
  private readonly deletes = new DeleteQueue()
  private readonly watchers = new Set<() => void>()
  private syncing = false
  private durableHeld = false
  /** The log before the last move, for plans that were made of it. */
  private replaced: { readonly plannedDir: string; readonly log: Log } | undefined
  /** Producers on the `process` promise wait for the disk up to here: also for what is staged and not written yet. */
  private syncTo = 0

  constructor(topic: string, partition: number, log: Log, state: PartitionState) {
    this.topic = topic
    this.partition = partition
    this.log = log
    this.state = state
  }

  /** Nothing is known that keeps others from counting on this replica. */
  get isSound(): boolean {
    return this.damage === null && this.log.failure === undefined
  }

  /** True when something changed. */
  becomeWhatControllerSays(decision: LeaderAndIsr, now = 0): boolean {
    const { state } = this
    const before = state.role
    const epochBefore = state.leaderEpoch
    const committedBefore = state.highWatermark
    // Where the new epoch begins is where the file ends, for the log and for the state.
    if (this.log.writtenOffset < this.log.logEndOffset) this.flush()
    if (!state.apply(decision, now)) return false
    if (state.role === 'leader' && state.leaderEpoch > epochBefore) this.log.assignEpochStart(state.leaderEpoch)
    if (before === 'leader' && state.role !== 'leader') {
      this.produce.abandon(LEADERSHIP_LOST)
      this.deletes.abandon(errors.NOT_LEADER_OR_FOLLOWER.code)
    }
    this.releaseDeletes()
    if (!this.durableHeld) state.localDurable(this.log.durableOffset)
    state.localWritten(this.log.writtenOffset)
    // A smaller in-sync set may have all there is: what waited for who left is committed now, and nothing else may come to say so.
    if (state.highWatermark > committedBefore) {
      this.release()
      this.watermarkMoved()
    }
    // Whatever role it has now: who waits on the old one must look again.
    if (before !== state.role || epochBefore !== state.leaderEpoch) this.wake()
    this.onReplicationNews?.(this)
    return true
  }

  /**
   * Appends one produced batch. The answer reaches `sink` now (a refusal, or a batch that was written through), or after `flush`, or when
   * the high watermark passes. Returns true when something is staged and `flush` is owed.
   */
  append(records: Uint8Array, terms: AppendTerms, sink: ProduceSink, slot: number): boolean {
    const refusal = this.refusal(terms)
    if (refusal !== errors.NONE.code) {
      sink.complete(slot, failedAppend(refusal))
      return false
    }
    const { log, state } = this
    const result = log.appendAsLeader(records, state.leaderEpoch, terms.origin, terms.apiVersion)
    if (result.errorCode !== errors.NONE.code) {
      sink.complete(slot, result)
      return log.writtenOffset < log.logEndOffset
    }
    const required = result.lastOffset + 1
    const wait = this.waitFor(terms)
    const toDisk = wait === 'durable' || wait === 'synced'
    if (toDisk && state.promise !== 'disk' && !result.duplicate) state.holdForDisk(result.baseOffset, required)
    this.produce.add(required, wait, sink, slot, result)
    if (toDisk && required > this.syncTo) this.syncTo = required
    if (log.writtenOffset < log.logEndOffset) return true
    this.wrote()
    return false
  }

  /** write(2) of what is staged, then the answers that were waiting for it. */
  flush(): void {
    const errorCode = this.log.flushStaged()
    if (errorCode !== errors.NONE.code) {
      this.state.stagedLost(this.log.logEndOffset)
      this.produce.failAbove(this.log.logEndOffset, failedAppend(errorCode, 'the write failed; nothing of this batch is in the log'))
    }
    this.wrote()
  }

  planFetch(item: FetchItem, reader: FetchReader, maxBytes: number, minOne: boolean): FetchOutcome {
    return planFetch(this.log, this.state, item, reader, maxBytes, minOne)
  }

  /** The log that a plan was made of. */
  logOf(plan: ReadPlan): Log {
    return this.replaced?.plannedDir === plan.dir ? this.replaced.log : this.log
  }

  /** While held nothing more becomes durable for producers and readers: a move makes the other log as durable first. */
  holdDurable(held: boolean): void {
    if (this.durableHeld === held) return
    this.durableHeld = held
    if (held) return
    this.syncing = false
    this.wrote()
  }

  /** The future log of a move takes over: it has all that this one has. `plannedDir`: what plans of the old one name. */
  replaceLog(log: Log, plannedDir: string): void {
    this.replaced = { plannedDir, log: this.log }
    this.log = log
    this.holdDurable(false)
    this.wake()
  }

  /** Calls `wake` at every move of the high watermark or of leadership, until the returned function is called. */
  watch(wake: () => void): () => void {
    this.watchers.add(wake)
    return () => this.watchers.delete(wake)
  }

  /** The log was truncated, its start moved, or it left this worker: whoever waits should look again. */
  wake(): void {
    // A copy: whoever looks and finds too little watches again at once, and a Set's own iteration would come to it for ever.
    for (const watcher of Array.from(this.watchers)) watcher()
  }

  /** This node may not lead for now: who waits for its answers asks elsewhere. */
  leaseLost(): void {
    if (this.state.role !== 'leader') return
    this.produce.abandon(UNCERTAIN)
    this.deletes.abandon(errors.NOT_LEADER_OR_FOLLOWER.code)
    this.wake()
    this.onReplicationNews?.(this)
  }

  /** Ends every wait: the partition leaves this worker. */
  resign(errorCode: number): void {
    this.produce.abandon({ errorCode, errorMessage: null })
    this.deletes.abandon(errorCode)
    this.wake()
  }

  // ---- as a leader of followers

  /** Where the log starts on every live replica. */
  get lowWatermark(): number {
    return this.state.lowWatermark(this.log.logStartOffset)
  }

  /**
   * Moves the log start of the partition, on every replica (DeleteRecords). The answer comes once all live ones have it; else, when the time is
   * up, REQUEST_TIMED_OUT with what was reached at first.
   */
  deleteRecords(offset: number, timeoutMs: number, timers: Timers): DeleteRecordsAnswer | Promise<DeleteRecordsAnswer> {
    const moved = this.log.deleteRecordsBefore(offset)
    if (moved.errorCode !== errors.NONE.code) return moved
    this.wake()
    this.onReplicationNews?.(this)
    const { lowWatermark } = this
    if (lowWatermark >= offset) return { errorCode: errors.NONE.code, lowWatermark }
    if (timeoutMs <= 0) return { errorCode: errors.REQUEST_TIMED_OUT.code, lowWatermark }
    return new Promise((resolve) => {
      const timer = timers.after(timeoutMs, () => {
        takeBack()
        resolve({ errorCode: errors.REQUEST_TIMED_OUT.code, lowWatermark })
      })
      const takeBack = this.deletes.add(offset, (answer) => {
        timer.cancel()
        resolve(answer)
      })
    })
  }

  /** Progress of followers or the in-sync set changed: `moved` says that the high watermark did. */
  replicationMoved(moved: boolean): void {
    this.releaseDeletes()
    if (!moved) return
    this.release()
    this.watermarkMoved()
    this.onReplicationNews?.(this)
  }

  // ---- as a follower

  /**
   * Batches of a leader's answer: checked as a whole, then appended; nothing behind a wrong checksum is. Staged only: `flushReplicated` is owed
   * before the next fetch says that they are here.
   */
  appendReplicated(records: Uint8Array, leaderEpoch: number, leaderEndOffset: number): ReplicatedAppend {
    const { log } = this
    const checked = checkReplicated(records, leaderEpoch, log.logEndOffset, leaderEndOffset)
    if (checked.size === 0) return { errorCode: 0, size: 0, corrupt: checked.corrupt }
    // The leader's log start may lie within its first batch, which comes whole.
    if (checked.baseOffset < log.logEndOffset && checked.firstLastOffset >= log.logEndOffset) this.truncate(checked.baseOffset)
    const result = log.appendAsFollower(records.subarray(0, checked.size), true)
    return { errorCode: result.errorCode, size: result.errorCode === 0 ? checked.size : 0, corrupt: checked.corrupt }
  }

  /** write(2) of what was appended; then the leader's high watermark and log start hold here as far as this log reaches. Kafka's error code. */
  flushReplicated(): number {
    const errorCode = this.log.flushStaged()
    if (errorCode !== errors.NONE.code) this.state.stagedLost(this.log.logEndOffset)
    this.state.localWritten(this.log.writtenOffset)
    if (this.isSyncDue) this.startSync()
    return errorCode
  }

  followLeader(highWatermark: number, logStartOffset: number): void {
    if (this.state.followLeader(highWatermark)) this.watermarkMoved()
    if (logStartOffset > this.log.logStartOffset) {
      this.log.raiseLogStart(logStartOffset)
      this.cutBack()
    }
  }

  /** Drops everything at and above `offset`. */
  truncate(offset: number): void {
    this.log.truncateTo(offset)
    this.cutBack()
  }

  /** Drops everything; the log begins at `offset`. */
  restartAt(offset: number): void {
    this.log.truncateFullyAndStartAt(offset)
    this.state.startedAt(offset)
    this.cutBack()
  }

  private cutBack(): void {
    if (this.log.logStartOffset > this.state.highWatermark) this.state.startedAt(this.log.logStartOffset)
    this.state.truncated(this.log.logEndOffset)
    this.log.updateHighWatermark(this.state.highWatermark)
    this.wake()
  }

  private refusal(terms: AppendTerms): number {
    const leader = this.state.checkLeader(-1)
    if (leader !== errors.NONE.code) return leader
    return terms.acks === -1 ? this.state.checkMinInSync() : errors.NONE.code
  }

  private waitFor(terms: AppendTerms): ProduceWait {
    if (terms.acks === 0) return 'written'
    if (terms.disk || this.state.promise === 'disk') return terms.acks === -1 ? 'durable' : 'synced'
    return terms.acks === -1 ? 'committed' : 'written'
  }

  private releaseDeletes(): void {
    if (!this.deletes.isEmpty) this.deletes.release(this.lowWatermark)
  }

  private wrote(): void {
    const { log, state } = this
    const moved = state.localWritten(log.writtenOffset)
    this.release()
    if (this.isSyncDue) this.startSync()
    if (this.onReplicationNews !== null) this.onReplicationNews(this)
    if (moved) this.watermarkMoved()
  }

  private release(): void {
    const { log, state } = this
    const tooSmall = state.minInSyncReplicas > 1 && state.checkMinInSyncAfterAppend() !== errors.NONE.code
    this.produce.release(log.writtenOffset, state.highWatermark, state.durableOffset, tooSmall ? SET_TOO_SMALL : null)
  }

  /** Something that is written is wanted on the disk, and is not there. */
  private get isSyncDue(): boolean {
    const { log, state } = this
    const wanted = state.promise === 'disk' ? log.writtenOffset : Math.min(this.syncTo, log.writtenOffset)
    return state.durableOffset < wanted
  }

  /** Group commit: one fsync at a time; all that was written while it ran shares the next one. */
  private startSync(): void {
    if (this.syncing) return
    this.syncing = true
    const { log } = this
    log.sync().then(
      (durable) => {
        if (this.log === log && !this.durableHeld) this.synced(durable)
      },
      () => {
        if (this.log === log) this.syncFailed()
      },
    )
  }

  private synced(durable: number): void {
    this.syncing = false
    // A truncation while it ran took back what lies above.
    const moved = this.state.localDurable(Math.min(durable, this.log.writtenOffset))
    this.release()
    if (this.isSyncDue) this.startSync()
    if (moved) this.watermarkMoved()
    this.onSynced?.(this)
  }

  private watermarkMoved(): void {
    this.log.updateHighWatermark(this.state.highWatermark)
    if (this.watchers.size > 0) this.wake()
  }

  /** The log has poisoned itself: what waits was never promised. */
  private syncFailed(): void {
    this.syncing = false
    this.produce.failAbove(
      -1,
      failedAppend(errors.KAFKA_STORAGE_ERROR.code, 'fsync failed; the log is out of service until it is reopened'),
    )
  }
}
