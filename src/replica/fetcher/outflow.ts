// What is under way from this worker to one follower node: the bound of the memory that replication takes here, and of what catching-up replicas
// may take of it. Pure. The next fetch of a partition says that its previous answer has arrived, or a report of progress that has passed it.

/**
 * Catching-up replicas may fill this share of what may be under way; the rest is always there for those in sync. One answer of theirs at a time
 * keeps a follower busy; more of them only lie before the answers that producers wait for.
 */
const CATCH_UP_SHARE = 0.1

export class Outflow {
  private readonly byPartition = new Map<string, { readonly bytes: number; readonly catchUp: boolean; readonly fetchOffset: number }>()
  private total = 0
  private catchingUp = 0

  get bytes(): number {
    return this.total
  }

  /** One answer may pass the limit, as a batch is never cut. */
  hasRoom(catchUp: boolean, limit: number): boolean {
    return this.total < limit && (!catchUp || this.catchingUp < limit * CATCH_UP_SHARE)
  }

  /** The answer to a fetch at `fetchOffset`. */
  sent(key: string, fetchOffset: number, bytes: number, catchUp: boolean): void {
    this.arrived(key)
    this.byPartition.set(key, { bytes, catchUp, fetchOffset })
    this.total += bytes
    if (catchUp) this.catchingUp += bytes
  }

  /** The follower has everything below `offset`. */
  reached(key: string, offset: number): void {
    const sent = this.byPartition.get(key)
    if (sent && sent.fetchOffset < offset) this.arrived(key)
  }

  /** Also when it never will: the partition moved away. */
  arrived(key: string): void {
    const sent = this.byPartition.get(key)
    if (!sent) return
    this.byPartition.delete(key)
    this.total -= sent.bytes
    if (sent.catchUp) this.catchingUp -= sent.bytes
  }
}
