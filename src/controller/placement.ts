// Where the replicas of new partitions go. Pure: brokers, counts and a random source in, broker ids out.
// Brokers are put in an order that alternates racks; each partition starts one further, and each full round shifts
// the followers, so that leaders and followers spread evenly. No rack is used twice before every rack was used.

import type { Random } from '../env/env.js'

export interface PlaceableBroker {
  readonly id: number
  readonly rack: string | null
}

/** `count` replica lists of length `replicationFactor` (at most the number of brokers: the caller has checked). */
export function placeReplicas(brokers: readonly PlaceableBroker[], count: number, replicationFactor: number, random: Random): number[][] {
  const ring = rackAlternating(brokers)
  const start = Math.floor(random.next() * ring.length)
  let shift = Math.floor(random.next() * ring.length)
  const placed: number[][] = []
  for (let partition = 0; partition < count; partition++) {
    if (partition > 0 && partition % ring.length === 0) shift++
    placed.push(replicasFrom(ring, (start + partition) % ring.length, shift, replicationFactor))
  }
  return placed
}

function replicasFrom(ring: readonly PlaceableBroker[], first: number, shift: number, replicationFactor: number): number[] {
  const leader = ring[first]!
  const chosen = [leader]
  const rackCount = new Set(ring.map((broker) => broker.rack)).size
  const racks = new Set([leader.rack])
  const others = ring.length - 1
  for (let step = 0; chosen.length < replicationFactor && step < others * 2; step++) {
    const candidate = ring[(first + 1 + ((shift + step) % others)) % ring.length]!
    if (chosen.includes(candidate)) continue
    if (racks.has(candidate.rack) && racks.size < rackCount && step < others) continue
    chosen.push(candidate)
    racks.add(candidate.rack)
  }
  return chosen.map((broker) => broker.id)
}

/** r1b1, r2b1, r3b1, r1b2, …: neighbours on the ring stand in different racks while that lasts. */
function rackAlternating(brokers: readonly PlaceableBroker[]): PlaceableBroker[] {
  const byRack = new Map<string, PlaceableBroker[]>()
  for (const broker of [...brokers].sort((a, b) => a.id - b.id)) {
    const rack = broker.rack ?? ''
    const list = byRack.get(rack)
    if (list) list.push(broker)
    else byRack.set(rack, [broker])
  }
  const lists = [...byRack.keys()].sort().map((rack) => byRack.get(rack)!)
  const ring: PlaceableBroker[] = []
  for (let row = 0; ring.length < brokers.length; row++) for (const list of lists) if (row < list.length) ring.push(list[row]!)
  return ring
}
