// What is under way from this worker to one follower node: the bound of the memory that replication takes here, and of what catching-up replicas
// may take of it. Pure. The next fetch of a partition says that its previous answer has arrived, or a report of progress that has passed it.

/**
 * Catching-up replicas may fill this share of what may be under way; the rest is always there for those in sync. One answer of theirs at a time
 * keeps a follower busy; more of them only lie before the answers that producers wait for.
 */
const CATCH_UP_SHARE = 0.1
/**
 * Replicas in sync are answered in bursts: once so much is under way to them, the rest waits until half of it is left, and then leaves together. An
 * answer costs both nodes about the same whatever it carries, and several that travel together little more than one. A quiet leader never gets here;
 * a busy one took 5 to 8 % less CPU for each GB in 256 KiB batches than without it. The answers of two followers
 * find room in the ring that the link thread sends from (4 MiB).
 */
const BURST_BYTES = 1536 << 10
const BURST_OVER_BYTES = BURST_BYTES / 2

export class Outflow {
  private readonly byPartition = new Map<string, { readonly bytes: number; readonly catchUp: boolean; readonly fetchOffset: number }>()
  private total = 0
  private catchingUp = 0
  private bursting = false

  get bytes(): number {
    return this.total
  }

  /** What is in sync waits for the end of a burst. */
  get isBursting(): boolean {
    return this.bursting
  }

  /** One answer may pass the limit, as a batch is never cut. */
  hasRoom(catchUp: boolean, limit: number): boolean {
    return this.total < limit && (catchUp ? this.catchingUp < limit * CATCH_UP_SHARE : !this.bursting)
  }

  /** The answer to a fetch at `fetchOffset`. */
  sent(key: string, fetchOffset: number, bytes: number, catchUp: boolean): void {
    this.arrived(key)
    this.byPartition.set(key, { bytes, catchUp, fetchOffset })
    this.total += bytes
    if (catchUp) this.catchingUp += bytes
    else if (this.inSync >= BURST_BYTES) this.bursting = true
  }

  /** The follower has everything below `offset`. Returns as `arrived`. */
  reached(key: string, offset: number): boolean {
    const sent = this.byPartition.get(key)
    return sent !== undefined && sent.fetchOffset < offset && this.arrived(key)
  }

  /** Also when it never will: the partition moved away. True: there may be room now where there was none. */
  arrived(key: string): boolean {
    const sent = this.byPartition.get(key)
    if (!sent) return false
    this.byPartition.delete(key)
    this.total -= sent.bytes
    if (sent.catchUp) this.catchingUp -= sent.bytes
    if (this.inSync <= BURST_OVER_BYTES) this.bursting = false
    return sent.catchUp || !this.bursting
  }

  /** It lasts too long: a partition that the follower cannot take must not hold up the others. */
  endBurst(): void {
    this.bursting = false
  }

  private get inSync(): number {
    return this.total - this.catchingUp
  }
}
