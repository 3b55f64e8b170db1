// A rate of bytes with one second's worth of burst. What is spent may go below zero, since an answer is known only when it is made; then
// nothing is given until the debt is paid. Pure: the caller says what time it is.

const BURST_MS = 1000

export class ByteBudget {
  /** Bytes a second; Infinity: no limit. */
  private rate = Infinity
  private tokens = 0
  private at = 0

  setRate(bytesPerSecond: number, now: number): void {
    if (bytesPerSecond === this.rate) return
    this.refill(now)
    if (this.rate === Infinity) this.tokens = bytesPerSecond
    this.rate = bytesPerSecond
    this.tokens = Math.min(this.tokens, bytesPerSecond)
  }

  isOpen(now: number): boolean {
    if (this.rate === Infinity) return true
    this.refill(now)
    return this.tokens > 0
  }

  spend(bytes: number, now: number): void {
    if (this.rate === Infinity) return
    this.refill(now)
    this.tokens -= bytes
  }

  /** When it opens; `now` when it is open. */
  opensAt(now: number): number {
    if (this.isOpen(now)) return now
    return this.rate <= 0 ? Infinity : now + Math.ceil((1 - this.tokens) / (this.rate / BURST_MS))
  }

  private refill(now: number): void {
    if (this.rate !== Infinity && now > this.at) this.tokens = Math.min(this.rate, this.tokens + ((now - this.at) * this.rate) / BURST_MS)
    this.at = Math.max(this.at, now)
  }
}
