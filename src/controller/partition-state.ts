// The state of a partition as pure functions of (state, brokers): a new partition, and what follows when a broker's
// life ends or starts. The controller writes what these return.

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
  }
}

/**
 * The leader is back after a life that ended without a clean stop: a machine that failed may have taken records that
 * were acknowledged from the page cache. Under a new leader epoch a consumer that had read further finds out
 * (OffsetForLeaderEpoch) instead of skipping what is written at those offsets next.
 */
export function afterLeaderCrash(state: PartitionImage): PartitionImage {
  return { ...state, leaderEpoch: state.leaderEpoch + 1, partitionEpoch: state.partitionEpoch + 1 }
}
