// Which brokers shall hold which partition: balanced over brokers and racks, moving as few replicas as it can. Pure.

export interface PlanBroker {
  readonly id: number
  readonly rack: string | null
}

export interface PlanPartition {
  readonly topic: string
  readonly partition: number
  readonly replicas: readonly number[]
}

export interface Move {
  readonly topic: string
  readonly partition: number
  readonly from: readonly number[]
  readonly to: readonly number[]
}

type Load = Map<number, number>

/**
 * Places every partition on `brokers` alone. A replica that is on one of them stays; others go to the brokers with the
 * fewest replicas, in a rack the partition is not in where there is one. With `balance` replicas then move from the
 * fullest broker to the emptiest until they differ by one at most. Only partitions that change are returned.
 */
export function planMoves(partitions: readonly PlanPartition[], brokers: readonly PlanBroker[], balance: boolean): Move[] {
  const load: Load = new Map(brokers.map(({ id }) => [id, 0]))
  const placed = partitions.map(({ replicas }) => replicas.map((id) => (load.has(id) ? id : null)))
  for (const ids of placed) for (const id of ids) if (id !== null) load.set(id, load.get(id)! + 1)
  const planned = placed.map((ids) => filled(ids, brokers, load))
  if (balance) even(planned, brokers, load)
  return partitions.flatMap(({ topic, partition, replicas }, i) => {
    const to = planned[i]!
    const same = to.length === replicas.length && to.every((id, at) => id === replicas[at])
    return same ? [] : [{ topic, partition, from: replicas, to }]
  })
}

/** Each that stays keeps its place, so that the preferred leader changes only when it leaves. */
function filled(ids: readonly (number | null)[], brokers: readonly PlanBroker[], load: Load): number[] {
  const taken = ids.filter((id) => id !== null)
  const out: number[] = []
  for (const id of ids) {
    if (id !== null) out.push(id)
    else if (taken.length < brokers.length) {
      const chosen = leastLoaded(brokers, load, taken)
      load.set(chosen, load.get(chosen)! + 1)
      taken.push(chosen)
      out.push(chosen)
    }
  }
  return out
}

function even(planned: number[][], brokers: readonly PlanBroker[], load: Load): void {
  const rackOf = new Map(brokers.map(({ id, rack }) => [id, rack]))
  const sharesRack = (ids: readonly number[], leaving: number, coming: number): boolean =>
    rackOf.get(coming) !== null && ids.some((id) => id !== leaving && rackOf.get(id) === rackOf.get(coming))
  for (;;) {
    const byLoad = brokers.map(({ id }) => id).toSorted((a, b) => load.get(b)! - load.get(a)!)
    const [most, least] = [byLoad[0]!, byLoad.at(-1)!]
    if (load.get(most)! - load.get(least)! <= 1) return
    const movable = planned.filter((ids) => ids.includes(most) && !ids.includes(least))
    const ids = movable.find((each) => !sharesRack(each, most, least))
    if (!ids) return
    ids[ids.indexOf(most)] = least
    load.set(most, load.get(most)! - 1)
    load.set(least, load.get(least)! + 1)
  }
}

function leastLoaded(brokers: readonly PlanBroker[], load: Load, placed: readonly number[]): number {
  const used = new Set(brokers.filter(({ id, rack }) => rack !== null && placed.includes(id)).map(({ rack }) => rack))
  const free = brokers.filter(({ id }) => !placed.includes(id))
  const elsewhere = free.filter(({ rack }) => rack === null || !used.has(rack))
  const candidates = elsewhere.length > 0 ? elsewhere : free
  return candidates.reduce((best, broker) => (load.get(broker.id)! < load.get(best.id)! ? broker : best)).id
}
