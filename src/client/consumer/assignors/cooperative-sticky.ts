// Cooperative sticky (KIP-429): balanced, and members keep what they own wherever balance allows. A partition that
// must move is given to nobody in the round in which its owner loses it: the owner revokes it, joins again, and the
// next round hands it out. So two members never own one partition at the same time.
//
// Balance means: no member could take a partition it is subscribed to from a member that has two more than it.

import type { TopicPartition } from '../../../model/topic-partition.js'
import { type Assignor, type AssignorMember, compareMembers, type GroupAssignment, subscribedTopics } from './assignor.js'

interface Load {
  readonly member: AssignorMember
  readonly topics: ReadonlySet<string>
  /** Insertion order is oldest first; what is given away is taken from the end. */
  readonly partitions: Map<string, TopicPartition>
}

const keyOf = (p: TopicPartition): string => `${p.topic}/${p.partition}`

export const cooperativeStickyAssignor: Assignor = {
  name: 'cooperative-sticky',
  protocol: 'cooperative',
  assign(members, partitionCounts) {
    const owners = currentOwners(members, partitionCounts)
    const target = stickyAssign(members, partitionCounts, owners)
    return withholdMoving(target, members)
  },
}

/**
 * Who owns what: the claim of the newest generation counts; two claims of the same generation cancel each other,
 * since neither can be believed. Partitions that no longer exist or are not subscribed to any more are dropped.
 */
function currentOwners(members: readonly AssignorMember[], counts: ReadonlyMap<string, number>): Map<string, string> {
  const claims = new Map<string, { memberId: string; generation: number; disputed: boolean }>()
  for (const member of members) {
    const topics = new Set(member.topics)
    for (const owned of member.ownedPartitions) {
      if (!topics.has(owned.topic) || owned.partition >= (counts.get(owned.topic) ?? 0)) continue
      const key = keyOf(owned)
      const other = claims.get(key)
      if (other === undefined || member.generationId > other.generation) {
        claims.set(key, { memberId: member.memberId, generation: member.generationId, disputed: false })
      } else if (member.generationId === other.generation) other.disputed = true
    }
  }
  const owners = new Map<string, string>()
  for (const [key, claim] of claims) if (!claim.disputed) owners.set(key, claim.memberId)
  return owners
}

/** The balanced target, before anything is withheld. Exported for its property tests. */
export function stickyAssign(
  members: readonly AssignorMember[],
  counts: ReadonlyMap<string, number>,
  owners: ReadonlyMap<string, string>,
): GroupAssignment {
  const loads = [...members]
    .sort(compareMembers)
    .map((member) => ({ member, topics: new Set(member.topics), partitions: new Map<string, TopicPartition>() }))
  const byId = new Map(loads.map((load) => [load.member.memberId, load]))
  const byTopic = new Map<string, Load[]>()
  const free: TopicPartition[] = []
  for (const topic of subscribedTopics(members)) {
    byTopic.set(
      topic,
      loads.filter((load) => load.topics.has(topic)),
    )
    for (let partition = 0; partition < (counts.get(topic) ?? 0); partition++) {
      const owned = { topic, partition }
      const owner = owners.get(keyOf(owned))
      if (owner !== undefined) byId.get(owner)!.partitions.set(keyOf(owned), owned)
      else free.push(owned)
    }
  }
  // Topics that few members want go first: later ones have more freedom to even out what these leave behind.
  free.sort((a, b) => byTopic.get(a.topic)!.length - byTopic.get(b.topic)!.length)
  for (const partition of free) leastLoaded(byTopic.get(partition.topic)!).partitions.set(keyOf(partition), partition)
  balance(loads, byTopic)
  return new Map(loads.map((load) => [load.member.memberId, [...load.partitions.values()]]))
}

function leastLoaded(loads: readonly Load[]): Load {
  let best = loads[0]!
  for (const load of loads) if (load.partitions.size < best.partitions.size) best = load
  return best
}

/** Moves one partition at a time from the fullest member that can give. Ends: each move lowers the sum of squared loads. */
function balance(loads: readonly Load[], byTopic: ReadonlyMap<string, readonly Load[]>): void {
  let moved = true
  while (moved) {
    moved = false
    const fullestFirst = [...loads].sort((a, b) => b.partitions.size - a.partitions.size)
    for (const giver of fullestFirst) {
      if (moveOne(giver, byTopic)) {
        moved = true
        break
      }
    }
  }
}

function moveOne(giver: Load, byTopic: ReadonlyMap<string, readonly Load[]>): boolean {
  // One look per topic is enough: who could take a partition depends only on its topic.
  const last = new Map<string, TopicPartition>()
  for (const partition of giver.partitions.values()) last.set(partition.topic, partition)
  let best: { taker: Load; partition: TopicPartition } | undefined
  for (const [topic, partition] of last) {
    const taker = leastLoaded(byTopic.get(topic)!)
    if (taker.partitions.size + 1 >= giver.partitions.size) continue
    if (best === undefined || taker.partitions.size < best.taker.partitions.size) best = { taker, partition }
  }
  if (best === undefined) return false
  giver.partitions.delete(keyOf(best.partition))
  best.taker.partitions.set(keyOf(best.partition), best.partition)
  return true
}

/**
 * Takes out of `target` what another member still claims to own, however old the claim: it must revoke first. One
 * who claims it too and may keep it is not disturbed: the other learns from its assignment that it has to let go.
 */
function withholdMoving(target: GroupAssignment, members: readonly AssignorMember[]): GroupAssignment {
  const claimants = new Map<string, Set<string>>()
  for (const member of members) {
    for (const owned of member.ownedPartitions) {
      const key = keyOf(owned)
      const set = claimants.get(key)
      if (set) set.add(member.memberId)
      else claimants.set(key, new Set([member.memberId]))
    }
  }
  const result: GroupAssignment = new Map()
  for (const [memberId, partitions] of target) {
    result.set(
      memberId,
      partitions.filter((partition) => {
        const claims = claimants.get(keyOf(partition))
        return claims === undefined || claims.has(memberId)
      }),
    )
  }
  return result
}
