import type { PartitionImage } from '../../src/controller/image.js'

/** Three replicas in sync, the first leads; `more` says what is otherwise. */
export function partition(more: Partial<PartitionImage> = {}): PartitionImage {
  return {
    partition: 0,
    replicas: [1, 2, 3],
    isr: [1, 2, 3],
    addingReplicas: [],
    removingReplicas: [],
    leader: 1,
    leaderEpoch: 5,
    partitionEpoch: 10,
    elr: [],
    lastKnownElr: [],
    offline: [],
    recovering: false,
    ...more,
  }
}
