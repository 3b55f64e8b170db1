// What a partition leader knows of one follower: how far it has come and when it was last at the leader's end (Kafka's Replica).
// Pure; times are the monotonic clock's, given by the caller.

const NEVER = -Infinity
const UNKNOWN = -1
/**
 * After a refused proposal: the controller knows of the broker what this node does not know yet. Until it does, or this has passed, doubled each
 * time: a follower fetches many times a second.
 */
const REFUSED_PAUSE_MS = 50
const REFUSED_PAUSE_MAX_MS = 1000

export class FollowerProgress {
  readonly id: number
  /** The next offset it wants; UNKNOWN until it has fetched from this leader. */
  fetchOffset = UNKNOWN
  /** Everything below counts as held by it: its fetch offset, or on the `disk` promise the part of it that it has synced. */
  endOffset = UNKNOWN
  logStartOffset = UNKNOWN
  /** The broker's life that fetched last. */
  brokerEpoch = -1n
  /** It says that nobody may count on its log: it failed verification, and must leave the ISR before it may be repaired, or its disk is full. */
  unfit = false
  /** Member of the ISR as committed by the controller. */
  inSync = false
  /** Member of the ISR as committed, or as it may have become while a change is in flight. */
  inMaximalIsr = false
  private lastCaughtUpMs = NEVER
  private lastFetchMs = NEVER
  private leaderEndAtLastFetch = UNKNOWN
  private refusals = 0
  private pausedUntilMs = NEVER

  constructor(id: number) {
    this.id = id
  }

  get caughtUpMs(): number {
    return this.lastCaughtUpMs
  }

  /** A new leader epoch of this leader: its members have the whole lag time to show up. `isNewLeader`: what was known is of another time. */
  reset(now: number, leaderEnd: number, isNewLeader: boolean): void {
    this.lastCaughtUpMs = this.inSync ? now : NEVER
    this.leaderEndAtLastFetch = isNewLeader ? UNKNOWN : leaderEnd
    this.lastFetchMs = !isNewLeader && this.inSync ? now : NEVER
    this.unfit = false
    if (!isNewLeader) return
    this.fetchOffset = UNKNOWN
    this.endOffset = UNKNOWN
    this.logStartOffset = UNKNOWN
    this.brokerEpoch = -1n
  }

  /**
   * It is caught up now when it wants the leader's end; and it was caught up at its previous fetch when it now wants what was the end then.
   * Else a follower of a busy leader, always one answer behind, would never count as caught up.
   */
  fetched(fetchOffset: number, endOffset: number, leaderEnd: number, now: number): void {
    if (fetchOffset >= leaderEnd) this.lastCaughtUpMs = Math.max(this.lastCaughtUpMs, now)
    else if (this.leaderEndAtLastFetch !== UNKNOWN && fetchOffset >= this.leaderEndAtLastFetch)
      this.lastCaughtUpMs = Math.max(this.lastCaughtUpMs, this.lastFetchMs)
    this.fetchOffset = fetchOffset
    this.endOffset = endOffset
    this.leaderEndAtLastFetch = leaderEnd
    this.lastFetchMs = now
  }

  /** A proposal to take it in or out was refused. */
  pause(now: number): void {
    this.pausedUntilMs = now + Math.min(REFUSED_PAUSE_MS * 2 ** this.refusals++, REFUSED_PAUSE_MAX_MS)
  }

  /** The partition's state or the brokers changed: what was refused may be taken now. */
  endPause(): void {
    this.refusals = 0
    this.pausedUntilMs = NEVER
  }

  isPaused(now: number): boolean {
    return now < this.pausedUntilMs
  }

  /** Until it reaches the leader's end (again) it is behind. */
  forgetCaughtUp(): void {
    this.lastCaughtUpMs = NEVER
    this.leaderEndAtLastFetch = UNKNOWN
  }

  isCaughtUp(leaderEnd: number, now: number, lagTimeMaxMs: number): boolean {
    return this.fetchOffset === leaderEnd || now - this.lastCaughtUpMs <= lagTimeMaxMs
  }
}
