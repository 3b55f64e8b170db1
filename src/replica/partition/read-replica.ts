// Fetch from the closest replica (KIP-392), as Kafka's RackAwareReplicaSelector chooses it. Pure.

import type { PartitionState } from './partition-state.js'

/** The in-sync follower in the client's rack that has the offset and has come furthest; -1: the leader itself. */
export function readReplicaFor(state: PartitionState, rackId: string, fetchOffset: number): number {
  const { brokers } = state
  if (brokers.rackOf(state.leaderId) === rackId) return -1
  let best = -1
  let furthest = -1
  for (const follower of state.progress) {
    if (!follower.inSync || follower.unfit || brokers.liveEpochOf(follower.id) === undefined) continue
    if (brokers.rackOf(follower.id) !== rackId) continue
    if (fetchOffset > follower.endOffset || fetchOffset < follower.logStartOffset || follower.endOffset <= furthest) continue
    best = follower.id
    furthest = follower.endOffset
  }
  return best
}
