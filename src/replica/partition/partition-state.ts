// One partition's replication state on this node: role, epochs, in-sync set, high watermark. A pure state machine: it does no I/O and reads
// no clock; its owner tells it what happened, and when, and acts on what it answers. Runs on the partition's owner.
//
//   offline ──becomeLeader──▶ leader ──becomeFollower──▶ follower ──becomeLeader──▶ leader …
//
// Invariants: leader epoch and partition epoch never go back; the high watermark goes back only with a truncation of the log; it never
// passes the end of any member of the maximal in-sync set (committed or proposed), nor (promise `disk`) what the leader itself has synced;
// below min.insync.replicas it does not move; while a record with a per-call `disk` promise is not yet durable it does not pass that record.
//
// The `disk` promise with several replicas: a follower of such a topic says beside its fetch offset how far it has synced, and only that
// counts, so what is committed is on the disks of the whole ISR. A per-call `disk` (the leader's fsync) on a `process` topic is the leader's alone.

import { errors } from '../../model/errors.js'
import { FollowerProgress } from './follower-progress.js'
import { InSyncSet, type IsrVerdict } from './isr.js'
import { anyBroker, type BrokerDirectory, type IsrAnswer, type IsrProposal, type LeaderAndIsr } from './leader-and-isr.js'

export type { LeaderAndIsr } from './leader-and-isr.js'
export type PartitionRole = 'offline' | 'leader' | 'follower'

/** `process`: survives kill -9 (page cache). `disk`: survives power loss (fsync). */
export type AckPromise = 'process' | 'disk'

const DEFAULT_LAG_MS = 30_000

export class PartitionState {
  promise: AckPromise = 'process'
  /** The topic's min.insync.replicas; a partition with fewer replicas asks for all of them, as Kafka does. */
  minInSyncReplicas = 1
  /** replica.lag.time.max.ms */
  lagTimeMaxMs = DEFAULT_LAG_MS
  private readonly nodeId: number
  readonly brokers: BrokerDirectory
  private readonly inSync = new InSyncSet()
  private currentRole: PartitionRole = 'offline'
  private leader = -1
  private epoch = -1
  private version = -1
  private epochStart = -1
  private assigned: readonly number[] = []
  private eligible: readonly number[] = []
  /** Of a leader: the other replicas. */
  private followers: FollowerProgress[] = []
  private written: number
  private durable: number
  private watermark: number
  /** What producers asked `disk` for and fsync has not covered yet lies in [undurableFrom, undurableEnd). From Infinity: none. */
  private undurableFrom = Infinity
  private undurableEnd = 0
  /** The newest time this machine was told. */
  private now = 0

  constructor(
    nodeId: number,
    logEndOffset: number,
    highWatermark: number,
    durableOffset = logEndOffset,
    brokers: BrokerDirectory = anyBroker,
  ) {
    this.nodeId = nodeId
    this.written = logEndOffset
    this.durable = durableOffset
    this.watermark = highWatermark
    this.brokers = brokers
  }

  get role(): PartitionRole {
    return this.currentRole
  }
  get leaderId(): number {
    return this.leader
  }
  get leaderEpoch(): number {
    return this.epoch
  }
  get partitionEpoch(): number {
    return this.version
  }
  /** As the controller has committed it. */
  get isr(): readonly number[] {
    return this.inSync.members
  }
  get maximalIsr(): readonly number[] {
    return this.inSync.maximal
  }
  get replicas(): readonly number[] {
    return this.assigned
  }
  get highWatermark(): number {
    return this.watermark
  }
  get durableOffset(): number {
    return this.durable
  }
  get progress(): readonly FollowerProgress[] {
    return this.followers
  }
  get isInSync(): boolean {
    return this.inSync.members.includes(this.nodeId)
  }
  /** The controller may elect this replica without another word: nothing it has may go before that is over. */
  get isCountedOn(): boolean {
    return this.isInSync || this.eligible.includes(this.nodeId)
  }

  /** Takes over what the controller decided. A stale decision (by either epoch), or the one already in force, changes nothing (false). */
  apply(decision: LeaderAndIsr, now = this.now): boolean {
    this.now = now
    if (decision.leaderEpoch < this.epoch || decision.partitionEpoch < this.version) return false
    if (decision.leaderEpoch === this.epoch && decision.partitionEpoch === this.version) return false
    const wasLeader = this.currentRole === 'leader'
    const isNewEpoch = decision.leaderEpoch > this.epoch
    this.leader = decision.leader
    this.epoch = decision.leaderEpoch
    this.version = decision.partitionEpoch
    this.assigned = decision.replicas
    this.eligible = decision.eligible ?? []
    // What was in flight is either this state or was overtaken by it.
    this.inSync.commit(decision.isr)
    this.currentRole = decision.leader === this.nodeId ? 'leader' : decision.leader === -1 ? 'offline' : 'follower'
    if (this.currentRole === 'leader') this.lead(wasLeader, isNewEpoch, now)
    else this.followers = []
    this.advanceWatermark()
    return true
  }

  /**
   * The outcome a request gets that says it believes in `currentLeaderEpoch` (-1: it does not say). Kafka's fencing (KIP-320): the epoch is looked at
   * first, so that a client hears who of the two is behind also from a replica that does not lead. Without a lease nothing is certain.
   */
  checkLeader(currentLeaderEpoch: number): number {
    const refusal = this.checkEpoch(currentLeaderEpoch)
    return refusal === errors.NONE.code && this.currentRole !== 'leader' ? errors.NOT_LEADER_OR_FOLLOWER.code : refusal
  }

  /** For what a follower may answer as well (KIP-392). */
  checkReplica(currentLeaderEpoch: number): number {
    const refusal = this.checkEpoch(currentLeaderEpoch)
    return refusal === errors.NONE.code && this.currentRole === 'offline' ? errors.NOT_LEADER_OR_FOLLOWER.code : refusal
  }

  /** After an election, until the followers have what this leader began its epoch with: an earlier leader may have told of a later end. */
  get isBehindItsEpoch(): boolean {
    return this.currentRole === 'leader' && this.epochStart > this.watermark
  }

  /** Before an acks=all append. */
  checkMinInSync(): number {
    return this.isUnderMinInSync ? errors.NOT_ENOUGH_REPLICAS.code : errors.NONE.code
  }

  /** When an acks=all append is committed: the set may have shrunk since it was appended. */
  checkMinInSyncAfterAppend(): number {
    return this.inSync.maximal.length < this.effectiveMinInSync ? errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND.code : errors.NONE.code
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

  /** After a truncation. The high watermark is what the log still holds at most. */
  truncated(logEndOffset: number): void {
    this.written = logEndOffset
    this.durable = Math.min(this.durable, logEndOffset)
    this.watermark = Math.min(this.watermark, logEndOffset)
    this.stagedLost(logEndOffset)
  }

  /** The log begins anew at `offset`, or its start has passed the high watermark. */
  startedAt(offset: number): void {
    this.written = Math.max(this.written, offset)
    this.watermark = offset
    this.durable = Math.max(this.durable, offset)
  }

  /** A follower heard its leader: the high watermark is the leader's, as far as this log reaches. True when it moved. */
  followLeader(leaderHighWatermark: number): boolean {
    const reached = Math.min(leaderHighWatermark, this.written)
    if (this.currentRole !== 'follower' || reached <= this.watermark) return false
    this.watermark = reached
    return true
  }

  // ---- of a leader: its followers

  follower(replicaId: number): FollowerProgress | undefined {
    for (const follower of this.followers) if (follower.id === replicaId) return follower
    return undefined
  }

  /** The least offset that some live replica's log starts at; `logStartOffset` is this one's. -1: one has not been heard of in this epoch. */
  lowWatermark(logStartOffset: number): number {
    let lowest = logStartOffset
    for (const { id, logStartOffset: start } of this.followers) {
      if (start < lowest && this.brokers.liveEpochOf(id) !== undefined) lowest = start
    }
    return lowest
  }

  /**
   * A follower asked for `fetchOffset`: it has everything below, and has synced what is below `durableOffset`. True when the high watermark moved.
   * Only for a fetch that does not diverge from this log: what a diverging one has is not ours.
   */
  followerFetched(replicaId: number, fetchOffset: number, now = this.now, durableOffset = fetchOffset, brokerEpoch = -1n): boolean {
    this.now = now
    const follower = this.follower(replicaId)
    if (follower === undefined) return false
    // A new life starts its catch-up anew: what the old one had reached would hold the high watermark up for the whole lag time.
    if ((brokerEpoch !== follower.brokerEpoch && !follower.inSync) || fetchOffset < this.watermark) follower.forgetCaughtUp()
    follower.brokerEpoch = brokerEpoch
    follower.fetched(fetchOffset, this.promise === 'disk' ? Math.min(fetchOffset, durableOffset) : fetchOffset, this.written, now)
    return this.advanceWatermark()
  }

  /** After a fetch of `replicaId`: whether it has earned its way into the ISR, or lost it. At most one proposal is in flight. */
  proposeAfterFetch(replicaId: number): IsrProposal | undefined {
    const follower = this.follower(replicaId)
    if (follower === undefined || this.inSync.inFlight !== undefined || follower.isPaused(this.now)) return undefined
    if (follower.inSync) return this.hasLost(follower) ? this.propose(this.inSync.members.filter((id) => id !== replicaId)) : undefined
    return this.mayJoin(follower) ? this.propose([...this.inSync.members, replicaId]) : undefined
  }

  /** From time to time: followers that have not caught up for replica.lag.time.max.ms leave the ISR. */
  proposeShrink(now: number): IsrProposal | undefined {
    this.now = now
    if (this.currentRole !== 'leader' || this.inSync.inFlight !== undefined) return undefined
    const stays = (id: number): boolean => {
      const follower = this.follower(id)
      return follower === undefined || (follower.isCaughtUp(this.written, now, this.lagTimeMaxMs) && !this.hasLost(follower))
    }
    const staying = this.inSync.members.filter(stays)
    return staying.length < this.inSync.members.length ? this.propose(staying) : undefined
  }

  /** Time passed: one that was waited for need not be any more. True when the high watermark moved. */
  reviewed(now: number): boolean {
    this.now = now
    return this.advanceWatermark()
  }

  /** Other brokers came, went or stop: also what was refused may be taken now. True when the high watermark moved. */
  brokersChanged(now: number): boolean {
    for (const follower of this.followers) follower.endPause()
    return this.reviewed(now)
  }

  /** Whether this very proposal still waits for its answer. */
  isProposed(proposal: IsrProposal): boolean {
    return this.currentRole === 'leader' && this.inSync.inFlight === proposal
  }

  /** What the controller said to a proposal. 'again': send the same one again. */
  proposalAnswered(proposal: IsrProposal, answer: IsrAnswer): { readonly verdict: IsrVerdict; readonly moved: boolean } {
    const verdict = this.inSync.answered(proposal, answer)
    if (verdict !== 'settled') return { verdict, moved: false }
    const isNews = answer.errorCode === errors.NONE.code
    if (!isNews) this.pauseWhom(proposal)
    // Metadata of a later state may have come first; then the answer is old.
    if (isNews && answer.leaderEpoch === this.epoch && answer.partitionEpoch >= this.version) {
      this.version = answer.partitionEpoch
      this.inSync.commit(answer.isr)
    }
    this.markMembers()
    return { verdict, moved: this.advanceWatermark() }
  }

  /** This node was not heard of in time: others may have been elected, and its image does not say so. */
  private get isFenced(): boolean {
    return this.brokers.holdsLease?.() === false
  }

  private get effectiveMinInSync(): number {
    return Math.min(this.minInSyncReplicas, Math.max(1, this.assigned.length))
  }

  private get isUnderMinInSync(): boolean {
    return this.inSync.members.length < this.effectiveMinInSync
  }

  /** Whom it would have taken in or out: a refusal says nothing about the others. */
  private pauseWhom({ newIsr }: IsrProposal): void {
    for (const follower of this.followers)
      if (newIsr.some(({ id }) => id === follower.id) !== this.inSync.members.includes(follower.id)) follower.pause(this.now)
  }

  private checkEpoch(currentLeaderEpoch: number): number {
    if (this.isFenced) return errors.NOT_LEADER_OR_FOLLOWER.code
    if (currentLeaderEpoch === -1 || currentLeaderEpoch === this.epoch) return errors.NONE.code
    return currentLeaderEpoch < this.epoch ? errors.FENCED_LEADER_EPOCH.code : errors.UNKNOWN_LEADER_EPOCH.code
  }

  private lead(wasLeader: boolean, isNewEpoch: boolean, now: number): void {
    const others = new Set([...this.assigned, ...this.inSync.members])
    others.delete(this.nodeId)
    this.followers = Array.from(others, (id) => this.follower(id) ?? new FollowerProgress(id))
    for (const follower of this.followers) follower.endPause()
    this.markMembers()
    if (wasLeader && !isNewEpoch) return
    this.epochStart = this.written
    for (const follower of this.followers) follower.reset(now, this.written, !wasLeader)
  }

  private markMembers(): void {
    for (const follower of this.followers) {
      follower.inSync = this.inSync.members.includes(follower.id)
      follower.inMaximalIsr = this.inSync.maximal.includes(follower.id)
    }
  }

  private propose(members: readonly number[]): IsrProposal {
    const newIsr = members.map((id) => ({ id, brokerEpoch: this.brokerEpochFor(id) }))
    const proposal = { leaderEpoch: this.epoch, partitionEpoch: this.version, newIsr }
    // The maximal set is in force BEFORE the proposal leaves.
    this.inSync.propose(proposal)
    this.markMembers()
    return proposal
  }

  private brokerEpochFor(id: number): bigint {
    const seen = this.follower(id)?.brokerEpoch ?? -1n
    return seen >= 0n || id !== this.nodeId ? seen : (this.brokers.liveEpochOf(id) ?? -1n)
  }

  /** An in-sync member has all that is committed. One that asks for less has lost it (a power failure), or says that nobody may count on its log. */
  private hasLost(follower: FollowerProgress): boolean {
    return follower.unfit || (follower.endOffset >= 0 && follower.endOffset < this.watermark)
  }

  private mayJoin(follower: FollowerProgress): boolean {
    return follower.endOffset >= this.watermark && follower.endOffset >= this.epochStart && this.isEligible(follower)
  }

  /** Alive, and the life that fetched is the one that is registered. */
  private isEligible(follower: FollowerProgress): boolean {
    if (follower.unfit || !this.assigned.includes(follower.id)) return false
    const live = this.brokers.liveEpochOf(follower.id)
    return live !== undefined && (live < 0n || follower.brokerEpoch < 0n || live === follower.brokerEpoch)
  }

  private advanceWatermark(): boolean {
    if (this.currentRole !== 'leader') return false
    let lowest = this.promise === 'disk' ? this.durable : Math.min(this.written, Math.max(this.undurableFrom, this.durable))
    if (lowest <= this.watermark) return false
    if (this.followers.length > 0) {
      if (this.isUnderMinInSync) return false
      for (const follower of this.followers) {
        const held = this.heldBy(follower)
        if (held < lowest && this.isWaitedFor(follower)) lowest = held
      }
      if (lowest <= this.watermark) return false
    }
    this.watermark = lowest
    return true
  }

  /**
   * What a life that is over had fetched may be gone with the power: once the next one is known it counts for nothing beyond what is committed,
   * until that one has asked itself or left the in-sync set.
   */
  private heldBy(follower: FollowerProgress): number {
    if (follower.endOffset <= this.watermark || follower.brokerEpoch < 0n) return follower.endOffset
    const registered = this.brokers.registeredEpochOf?.(follower.id)
    return registered !== undefined && registered > follower.brokerEpoch ? this.watermark : follower.endOffset
  }

  /** Beside the maximal set, one that has just caught up is waited for, or it would never reach a moving high watermark to join. */
  private isWaitedFor(follower: FollowerProgress): boolean {
    if (follower.inMaximalIsr) return true
    return follower.endOffset >= 0 && follower.isCaughtUp(this.written, this.now, this.lagTimeMaxMs) && this.isEligible(follower)
  }
}
