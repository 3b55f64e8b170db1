// What a client-side assignor is: a pure function from members and partition counts to assignments, run by the
// group's leader. No I/O, no clock.

import type { TopicPartition } from '../../../model/topic-partition.js'

export interface AssignorMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly topics: readonly string[]
  /** What the member says it still owns; empty for eager members. */
  readonly ownedPartitions: readonly TopicPartition[]
  /** Generation of that claim; -1 when unknown. */
  readonly generationId: number
}

/** memberId → partitions. Every member has an entry. */
export type GroupAssignment = Map<string, TopicPartition[]>

/** EAGER: every member gives everything up before it joins. COOPERATIVE: members keep what does not move (KIP-429). */
export type RebalanceProtocol = 'eager' | 'cooperative'

export interface Assignor {
  /** The name both clients and coordinator know it by, e.g. `range`. */
  readonly name: string
  readonly protocol: RebalanceProtocol
  assign(members: readonly AssignorMember[], partitionCounts: ReadonlyMap<string, number>): GroupAssignment
}

/** Static members sort by their instance id, before dynamic ones, so that a restart does not move partitions. */
export function compareMembers(a: AssignorMember, b: AssignorMember): number {
  if (a.groupInstanceId !== null && b.groupInstanceId !== null) return compareText(a.groupInstanceId, b.groupInstanceId)
  if (a.groupInstanceId !== null) return -1
  if (b.groupInstanceId !== null) return 1
  return compareText(a.memberId, b.memberId)
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

export function emptyAssignment(members: readonly AssignorMember[]): GroupAssignment {
  return new Map(members.map((member) => [member.memberId, []]))
}

/** All topics anybody subscribed to, sorted. */
export function subscribedTopics(members: readonly AssignorMember[]): string[] {
  const topics = new Set<string>()
  for (const member of members) for (const topic of member.topics) topics.add(topic)
  return [...topics].sort(compareText)
}
