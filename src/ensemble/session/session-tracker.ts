// When sessions expire. The leader holds one; every touch moves a session to the bucket of its deadline, rounded up to
// the next tick, so that expiry looks at buckets and not at sessions. Pure: time is an argument (monotonic milliseconds).

interface Tracked {
  readonly timeoutMs: number
  bucket: number
}

export class SessionTracker {
  readonly #tickMs: number
  readonly #sessions = new Map<bigint, Tracked>()
  readonly #buckets = new Map<number, Set<bigint>>()
  /** Every bucket below has been expired. */
  #next: number

  constructor(tickMs: number, now: number) {
    this.#tickMs = tickMs
    this.#next = Math.floor(now / tickMs)
  }

  get size(): number {
    return this.#sessions.size
  }

  /** Begins a session with its full timeout. One without a timeout is not tracked. */
  add(sessionId: bigint, timeoutMs: number, now: number): void {
    if (timeoutMs <= 0) return
    this.remove(sessionId)
    this.#sessions.set(sessionId, { timeoutMs, bucket: -1 })
    this.touch(sessionId, now)
  }

  /** The session's client was heard. False: there is no such session (any more). */
  touch(sessionId: bigint, now: number): boolean {
    const session = this.#sessions.get(sessionId)
    if (!session) return false
    const bucket = Math.floor((now + session.timeoutMs) / this.#tickMs) + 1
    if (bucket <= session.bucket) return true
    this.#leave(sessionId, session)
    session.bucket = bucket
    const members = this.#buckets.get(bucket)
    if (members) members.add(sessionId)
    else this.#buckets.set(bucket, new Set([sessionId]))
    return true
  }

  remove(sessionId: bigint): void {
    const session = this.#sessions.get(sessionId)
    if (!session) return
    this.#leave(sessionId, session)
    this.#sessions.delete(sessionId)
  }

  #leave(sessionId: bigint, session: Tracked): void {
    const members = this.#buckets.get(session.bucket)
    if (!members?.delete(sessionId)) return
    if (members.size === 0) this.#buckets.delete(session.bucket)
  }

  /** The sessions whose time is over, each once: from here on they are not tracked and cannot be touched back to life. */
  expire(now: number): bigint[] {
    const expired: bigint[] = []
    const upTo = Math.floor(now / this.#tickMs)
    if (this.#buckets.size === 0) this.#next = Math.max(this.#next, upTo + 1)
    for (; this.#next <= upTo; this.#next++) {
      for (const sessionId of this.#buckets.get(this.#next) ?? []) {
        expired.push(sessionId)
        this.#sessions.delete(sessionId)
      }
      this.#buckets.delete(this.#next)
    }
    return expired
  }
}
