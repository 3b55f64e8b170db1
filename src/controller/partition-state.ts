// A partition that is new. What happens to it afterwards is in partition-change.ts. Pure.

import type { PartitionImage } from './image.js'

/** A partition that has never had a leader. The first live replica leads; with none alive it has no leader yet. */
export function newPartition(partition: number, replicas: readonly number[], isAlive: (broker: number) => boolean): PartitionImage {
  const alive = replicas.filter(isAlive)
  return {
    partition,
    replicas,
    isr: alive.length > 0 ? alive : replicas,
    addingReplicas: [],
    removingReplicas: [],
    leader: alive[0] ?? -1,
    leaderEpoch: 0,
    partitionEpoch: 0,
    elr: [],
    lastKnownElr: [],
    offline: [],
    recovering: false,
  }
}
