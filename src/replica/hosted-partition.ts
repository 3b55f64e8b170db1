// One partition as this worker hosts it: its log, its replication state, and who waits on it. Ties the three together and acts: after an
// append it flushes, tells the state how far the log is, and frees the waits the new high watermark allows. Single-threaded, on its owner.

import { errors } from '../model/errors.js'
import type { Log } from '../log/log.js'
import type { AbortedTransaction, AppendOrigin, AppendResult, ReadPlan } from '../log/types.js'
import { type LeaderAndIsr, PartitionState } from './partition/partition-state.js'
import { ProduceQueue, type ProduceSink, type ProduceWait } from './purgatory/produce-queue.js'

/** What a producer asked for: `acks`, and whether this call wants the `disk` promise whatever the topic's is. */
export interface AppendTerms {
  /** -1 all, 0, 1 */
  readonly acks: number
  readonly disk: boolean
  readonly apiVersion: number
  readonly origin: AppendOrigin
}

export interface FetchItem {
  readonly topic: string
  readonly partition: number
  readonly fetchOffset: number
  readonly maxBytes: number
  /** -1: not stated. */
  readonly currentLeaderEpoch: number
  readonly lastFetchedEpoch: number
}

/** What one partition has for a fetch. The bytes themselves are read by whoever holds the socket. */
export interface FetchOutcome {
  readonly errorCode: number
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly logStartOffset: number
  readonly abortedTransactions: readonly AbortedTransaction[] | null
  readonly plan: ReadPlan | null
  readonly divergingEpoch: { readonly epoch: number; readonly endOffset: number } | null
}

export function failedFetch(errorCode: number): FetchOutcome {
  return {
    errorCode,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    abortedTransactions: null,
    plan: null,
    divergingEpoch: null,
  }
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
  readonly log: Log
  readonly state: PartitionState
  minInsyncReplicas = 1
  /** The topic's promise is `disk` (millrace.ack=disk, or Kafka's flush.messages=1). */
  private readonly produce = new ProduceQueue()
  private readonly watchers = new Set<() => void>()
  private syncing = false
  private syncWanted = false

  constructor(topic: string, partition: number, log: Log, state: PartitionState) {
    this.topic = topic
    this.partition = partition
    this.log = log
    this.state = state
  }

  becomeWhatControllerSays(decision: LeaderAndIsr): void {
    const before = this.state.role
    const epochBefore = this.state.leaderEpoch
    if (!this.state.apply(decision)) return
    if (this.state.role === 'leader' && this.state.leaderEpoch > epochBefore) this.log.assignEpochStart(this.state.leaderEpoch)
    if (before === 'leader' && this.state.role !== 'leader') this.produce.failAbove(-1, failedAppend(errors.NOT_LEADER_OR_FOLLOWER.code))
    const moved = this.state.localDurable(this.log.durableOffset)
    if (this.state.localWritten(this.log.writtenOffset) || moved) this.watermarkMoved()
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
    if (wait === 'durable' && state.promise !== 'disk' && !result.duplicate) state.holdForDisk(result.baseOffset, required)
    this.produce.add(required, wait, sink, slot, result)
    if (wait === 'durable') this.syncWanted = true
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

  planFetch(item: FetchItem, readCommitted: boolean, maxBytes: number, minOne: boolean): FetchOutcome {
    const { log, state } = this
    const leader = state.checkLeader(item.currentLeaderEpoch)
    if (leader !== errors.NONE.code) return failedFetch(leader)
    const highWatermark = state.highWatermark
    const lastStableOffset = Math.min(highWatermark, log.lastStableOffset)
    const logStartOffset = log.logStartOffset
    const base = {
      errorCode: 0,
      highWatermark,
      lastStableOffset,
      logStartOffset,
      abortedTransactions: null,
      plan: null,
      divergingEpoch: null,
    }
    if (item.lastFetchedEpoch >= 0) {
      const end = log.epochEndOffset(item.lastFetchedEpoch)
      if (end.leaderEpoch < 0 || end.endOffset < 0) return failedFetch(errors.OFFSET_OUT_OF_RANGE.code)
      if (end.leaderEpoch < item.lastFetchedEpoch || end.endOffset < item.fetchOffset) {
        return { ...base, divergingEpoch: { epoch: end.leaderEpoch, endOffset: end.endOffset } }
      }
    }
    const bound = readCommitted ? lastStableOffset : highWatermark
    const plan = log.planRead(item.fetchOffset, Math.min(maxBytes, item.maxBytes), bound, minOne)
    if (plan.kind === 'error') return failedFetch(plan.errorCode)
    if (!readCommitted) return { ...base, plan: plan.size > 0 ? plan : null }
    return { ...base, plan: plan.size > 0 ? plan : null, abortedTransactions: log.abortedTransactions(item.fetchOffset, bound) }
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

  /** Ends every wait: the partition leaves this worker. */
  resign(errorCode: number): void {
    this.produce.failAbove(-1, failedAppend(errorCode))
    this.wake()
  }

  private refusal(terms: AppendTerms): number {
    const leader = this.state.checkLeader(-1)
    if (leader !== errors.NONE.code) return leader
    return terms.acks === -1 ? this.state.checkMinInSync(this.minInsyncReplicas) : errors.NONE.code
  }

  private waitFor(terms: AppendTerms): ProduceWait {
    if (terms.acks === 0) return 'written'
    if (terms.disk || this.state.promise === 'disk') return 'durable'
    return terms.acks === -1 ? 'committed' : 'written'
  }

  private wrote(): void {
    const { log, state } = this
    const moved = state.localWritten(log.writtenOffset)
    this.produce.release(log.writtenOffset, state.highWatermark, state.durableOffset)
    if (this.syncWanted || (state.promise === 'disk' && state.durableOffset < log.writtenOffset)) this.startSync()
    if (moved) this.watermarkMoved()
  }

  /** Group commit: one fsync at a time; all that was written while it ran shares the next one. */
  private startSync(): void {
    if (this.syncing) {
      this.syncWanted = true
      return
    }
    this.syncing = true
    this.syncWanted = false
    this.log.sync().then(
      (durable) => this.synced(durable),
      () => this.syncFailed(),
    )
  }

  private synced(durable: number): void {
    this.syncing = false
    const moved = this.state.localDurable(durable)
    this.produce.release(this.log.writtenOffset, this.state.highWatermark, this.state.durableOffset)
    if (this.syncWanted) this.startSync()
    if (moved) this.watermarkMoved()
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
