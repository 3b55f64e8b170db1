// Counters that the four-letter words show: of the server and of each connection. Pure.

export class Statistics {
  received = 0
  sent = 0
  minLatencyMs = Infinity
  maxLatencyMs = 0
  #totalLatencyMs = 0
  #answered = 0

  answered(latencyMs: number): void {
    this.sent++
    this.#answered++
    this.#totalLatencyMs += latencyMs
    if (latencyMs < this.minLatencyMs) this.minLatencyMs = latencyMs
    if (latencyMs > this.maxLatencyMs) this.maxLatencyMs = latencyMs
  }

  /** ZooKeeper's "min/avg/max", whole milliseconds but the average. */
  get latency(): { readonly min: number; readonly avg: number; readonly max: number } {
    const { minLatencyMs: min, maxLatencyMs: max } = this
    const avg = this.#answered === 0 ? 0 : this.#totalLatencyMs / this.#answered
    return { min: min === Infinity ? 0 : Math.floor(min), avg: Math.round(avg * 1e4) / 1e4, max: Math.floor(max) }
  }
}
