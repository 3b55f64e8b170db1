// One partition's replication state on this node: role, leader epoch, in-sync set, high watermark. A pure state machine: it does no
// I/O and reads no clock; the replica manager tells it what happened and acts on what it answers. Runs on the partition's owner.
//
//   offline ──becomeLeader──▶ leader ──becomeFollower──▶ follower ──becomeLeader──▶ leader …
//
// Invariants: the leader epoch never goes back; the high watermark never goes back; it never passes the smallest log end offset of
// the in-sync set, nor (promise `disk`) the leader's durable offset; while a record with a per-call `disk` promise is not yet durable
// it does not pass that record.

import { errors } from '../../model/errors.js'

export type PartitionRole = 'offline' | 'leader' | 'follower'

export interface LeaderAndIsr {
  readonly leader: number
  readonly leaderEpoch: number
  readonly isr: readonly number[]
  readonly replicas: readonly number[]
}

/** `process`: survives kill -9 (page cache). `disk`: survives power loss (fsync). */
export type AckPromise = 'process' | 'disk'

export class PartitionState {
  private readonly nodeId: number
  private currentRole: PartitionRole = 'offline'
  private epoch = -1
  private inSync: readonly number[] = []
  private assigned: readonly number[] = []
  private readonly followerEnds = new Map<number, number>()
  private written: number
  private durable: number
  private watermark: number
  /** What producers asked `disk` for and fsync has not covered yet lies in [undurableFrom, undurableEnd). From Infinity: none. */
  private undurableFrom = Infinity
  private undurableEnd = 0
  promise: AckPromise = 'process'

  constructor(nodeId: number, logEndOffset: number, highWatermark: number, durableOffset = logEndOffset) {
    this.nodeId = nodeId
    this.written = logEndOffset
    this.durable = durableOffset
    this.watermark = highWatermark
  }

  get role(): PartitionRole {
    return this.currentRole
  }
  get leaderEpoch(): number {
    return this.epoch
  }
  get isr(): readonly number[] {
    return this.inSync
  }
  get highWatermark(): number {
    return this.watermark
  }
  get durableOffset(): number {
    return this.durable
  }

  /** Takes over what the controller decided. An older epoch is ignored (false). */
  apply(decision: LeaderAndIsr): boolean {
    if (decision.leaderEpoch < this.epoch) return false
    this.epoch = decision.leaderEpoch
    this.inSync = decision.isr
    this.assigned = decision.replicas
    this.currentRole = decision.leader === this.nodeId ? 'leader' : decision.leader === -1 ? 'offline' : 'follower'
    if (this.currentRole !== 'leader') this.followerEnds.clear()
    this.advanceWatermark()
    return true
  }

  /** The outcome a request gets that says it believes in `currentLeaderEpoch` (-1: it does not say). Kafka's fencing (KIP-320). */
  checkLeader(currentLeaderEpoch: number): number {
    if (this.currentRole !== 'leader') return errors.NOT_LEADER_OR_FOLLOWER.code
    if (currentLeaderEpoch === -1 || currentLeaderEpoch === this.epoch) return errors.NONE.code
    return currentLeaderEpoch < this.epoch ? errors.FENCED_LEADER_EPOCH.code : errors.UNKNOWN_LEADER_EPOCH.code
  }

  /** Before an acks=all append. */
  checkMinInSync(minInSyncReplicas: number): number {
    return this.inSync.length < minInSyncReplicas ? errors.NOT_ENOUGH_REPLICAS.code : errors.NONE.code
  }

  /** write(2) returned for everything below `offset`. True when the high watermark moved. */
  localWritten(offset: number): boolean {
    this.written = offset
    return this.advanceWatermark()
  }

  /** fsync covered everything below `offset`. True when the high watermark moved. */
  localDurable(offset: number): boolean {
    if (offset > this.durable) this.durable = offset
    // Only the end counts: a later batch may have asked while the fsync that covered the first one was running.
    if (this.durable >= this.undurableEnd) this.undurableFrom = Infinity
    return this.advanceWatermark()
  }

  /** A batch of [baseOffset, endOffset) was promised `disk` by its producer on a topic that promises `process`. Call before `localWritten`. */
  holdForDisk(baseOffset: number, endOffset: number): void {
    if (baseOffset < this.undurableFrom) this.undurableFrom = baseOffset
    if (endOffset > this.undurableEnd) this.undurableEnd = endOffset
  }

  /** A write failed and the staged batches from `logEndOffset` on are gone: nothing waits for their fsync any more. */
  stagedLost(logEndOffset: number): void {
    this.undurableEnd = Math.min(this.undurableEnd, logEndOffset)
    if (this.undurableFrom >= logEndOffset || this.durable >= this.undurableEnd) this.undurableFrom = Infinity
  }

  /** A follower asked for `fetchOffset`: it has everything below. True when the high watermark moved. */
  followerFetched(replicaId: number, fetchOffset: number): boolean {
    if (!this.assigned.includes(replicaId)) return false
    this.followerEnds.set(replicaId, fetchOffset)
    return this.advanceWatermark()
  }

  /** After a truncation. The high watermark is what the caller's log still holds at most. */
  truncated(logEndOffset: number): void {
    this.written = logEndOffset
    this.durable = Math.min(this.durable, logEndOffset)
    this.watermark = Math.min(this.watermark, logEndOffset)
  }

  private advanceWatermark(): boolean {
    if (this.currentRole !== 'leader') return false
    let lowest = this.promise === 'disk' ? this.durable : Math.min(this.written, Math.max(this.undurableFrom, this.durable))
    for (const replica of this.inSync) {
      if (replica === this.nodeId) continue
      lowest = Math.min(lowest, this.followerEnds.get(replica) ?? 0)
    }
    if (lowest <= this.watermark) return false
    this.watermark = lowest
    return true
  }
}
