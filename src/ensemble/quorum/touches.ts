// Sessions that were heard of here, on their way to the leader. A touch that went out in a pong is kept until the leader
// confirmed that pong: if the connection broke meanwhile it goes out again to the next leader, so that "confirmed up to this
// moment" is true of every touch before it. Pure.

export class Touches {
  readonly #waiting = new Set<bigint>()
  /** By round, oldest first. */
  readonly #sent = new Map<number, { readonly at: number; readonly sessions: readonly bigint[] }>()

  add(sessionId: bigint): void {
    this.#waiting.add(sessionId)
  }

  /** What goes into the pong of `round`, sent at `now`. */
  take(round: number, now: number): readonly bigint[] {
    const sessions = [...this.#waiting]
    this.#waiting.clear()
    this.#sent.set(round, { at: now, sessions })
    return sessions
  }

  /** The leader has the pong of `round`, and all before it. Returns when it was sent. */
  confirm(round: number): number | null {
    const at = this.#sent.get(round)?.at ?? null
    if (at !== null) for (const each of this.#sent.keys()) if (each <= round) this.#sent.delete(each)
    return at
  }

  /** Another leader, or the same one anew: rounds mean nothing any more. */
  again(): void {
    for (const { sessions } of this.#sent.values()) for (const id of sessions) this.#waiting.add(id)
    this.#sent.clear()
  }
}
