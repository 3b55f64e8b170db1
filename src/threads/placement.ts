// Which worker owns which partition of this node. Pure: the thread coordinator decides, every worker holds a copy.
// A partition keeps its owner for the life of the process; a replaced worker takes over its predecessor's number.

/** topic → worker number by partition index; -1 where this node holds no replica. */
export type PlacementTable = Map<string, Int16Array>

export class Placement {
  readonly table: PlacementTable
  private readonly load: number[]

  constructor(workerCount: number) {
    this.table = new Map()
    this.load = Array.from({ length: workerCount }, () => 0)
  }

  /** Gives each partition of `topic` that has no owner yet (and is in `hosted`) the least loaded worker. True when something changed. */
  assign(topic: string, hosted: readonly number[]): boolean {
    const highest = hosted.reduce((a, b) => Math.max(a, b), -1)
    const before = this.table.get(topic)
    const owners = new Int16Array(Math.max(highest + 1, before?.length ?? 0)).fill(-1)
    if (before) owners.set(before)
    let changed = owners.length !== before?.length
    for (const partition of hosted) {
      if (owners[partition] !== -1) continue
      const worker = this.leastLoaded()
      owners[partition] = worker
      this.load[worker] = (this.load[worker] ?? 0) + 1
      changed = true
    }
    if (changed) this.table.set(topic, owners)
    return changed
  }

  remove(topic: string): void {
    for (const worker of this.table.get(topic) ?? []) {
      if (worker >= 0) this.load[worker] = (this.load[worker] ?? 1) - 1
    }
    this.table.delete(topic)
  }

  /** The partition is not hosted any more. */
  release(topic: string, partition: number): void {
    const before = this.table.get(topic)
    const worker = before?.[partition] ?? -1
    if (!before || worker < 0) return
    // A copy: the one before may be on its way to another thread.
    const owners = before.slice()
    owners[partition] = -1
    this.table.set(topic, owners)
    this.load[worker] = (this.load[worker] ?? 1) - 1
  }

  private leastLoaded(): number {
    let best = 0
    for (let worker = 1; worker < this.load.length; worker++) {
      if ((this.load[worker] ?? 0) < (this.load[best] ?? 0)) best = worker
    }
    return best
  }
}

/** The owner of a partition, -1 when unknown. Hot: no allocation. */
export function ownerOf(table: PlacementTable, topic: string, partition: number): number {
  const owners = table.get(topic)
  if (owners === undefined || partition < 0 || partition >= owners.length) return -1
  return owners[partition]!
}
