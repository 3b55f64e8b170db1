// The group coordinators of one life of a simulated node: the product's own, with what a request to them passes on its way (`callGroup`: does this node
// lead the partition, by an image that a node without a lease does not believe). Counts what becomes of them.

import { ConfigStore } from '../../../src/broker/config/config-store.js'
import { withFenced } from '../../../src/broker/fenced-image.js'
import { GroupCoordinators, type GroupCoordinatorsOptions } from '../../../src/broker/group-coordinators.js'
import {
  callGroup,
  type GroupAnswer,
  type GroupArgument,
  type GroupDoors,
  type Unreached,
} from '../../../src/broker/handlers/group-requests.js'
import type { MetadataImage } from '../../../src/controller/image.js'
import type { GroupCoordinatorMethods } from '../../../src/coordinators/group/messages.js'
import { partitionForGroup } from '../../../src/coordinators/group/partition-for-group.js'
import type { Env } from '../../../src/env/env.js'
import { GROUP_METADATA_TOPIC } from '../../../src/model/topic-partition.js'
import type { HostedPartition } from '../../../src/replica/hosted-partition.js'
import type { ReplicaManager } from '../../../src/replica/replica-manager.js'
import type { Counts } from '../support/world.js'
import type { Planted } from './planted.js'
import { plantedImage, plantInCoordinators, plantInReplicas } from './planted-coordinators.js'

const SETTINGS = new Map([
  ['group.min.session.timeout.ms', '1'],
  ['group.initial.rebalance.delay.ms', '40'],
  ['offsets.commit.timeout.ms', '700'],
])

export interface NodeCoordinatorsOptions {
  readonly env: Env
  readonly nodeId: number
  readonly manager: ReplicaManager
  readonly counts: Counts
  readonly planted: Planted | undefined
  image(): MetadataImage
  holdsLease(): boolean
  /** A coordinator was told that its records are committed: they must be on enough replicas then. */
  onCommitted(hosted: HostedPartition, lastOffset: number): void
}

export type GroupMethod = keyof GroupCoordinatorMethods

export class NodeCoordinators {
  readonly groups: GroupCoordinators
  readonly #options: NodeCoordinatorsOptions
  readonly #doors: GroupDoors
  /** By partition, the leader epoch that was loaded last. */
  readonly #loaded = new Map<number, number>()

  constructor(options: NodeCoordinatorsOptions) {
    this.#options = options
    const { env, nodeId, manager, image, planted } = options
    const configs = new ConfigStore({ nodeId, properties: SETTINGS }, image)
    this.groups = new GroupCoordinators({ env, replicas: this.#watched(manager), configs, image })
    this.#doors = {
      env,
      nodeId,
      image: () => plantedImage(planted, options.holdsLease() ? image() : withFenced(image(), nodeId), nodeId, this.groups),
      services: {
        groupPartitionFor: async (groupId) => {
          const count = image().topics.get(GROUP_METADATA_TOPIC)?.partitions.length ?? 0
          return count > 0 ? partitionForGroup(groupId, count) : -1
        },
        callGroupCoordinator: async (partition, method, argument) => this.groups.call(partition, method, argument),
      },
    }
    plantInCoordinators(planted, this.groups)
  }

  /** After a partition of __consumer_offsets opened, heard a decision, or went. */
  decided(partition: number): void {
    const { manager, counts } = this.#options
    const state = manager.find(GROUP_METADATA_TOPIC, partition)?.state
    const before = this.#loaded.get(partition)
    if (state?.role !== 'leader') {
      if (this.#loaded.delete(partition)) counts.add('coordinator unloaded')
    } else if (before !== state.leaderEpoch) {
      counts.add(before === undefined ? 'coordinator loads' : 'coordinator loads anew')
      this.#loaded.set(partition, state.leaderEpoch)
    }
    this.groups.opened(partition)
  }

  call<M extends GroupMethod>(groupId: string, method: M, argument: GroupArgument<M>): Promise<GroupAnswer<M> | Unreached> {
    return callGroup(this.#doors, groupId, method, argument)
  }

  #watched(manager: ReplicaManager): GroupCoordinatorsOptions['replicas'] {
    const { onCommitted, planted } = this.#options
    const replicas: GroupCoordinatorsOptions['replicas'] = {
      find: (topic, partition) => manager.find(topic, partition),
      flush: () => manager.flush(),
      batchSuspected: (hosted, offset) => manager.batchSuspected(hosted, offset),
      get hasStaged() {
        return manager.hasStaged
      },
      append: (topic, partition, records, terms, sink, slot) => {
        const hosted = manager.find(topic, partition)
        const watched: typeof sink = {
          complete: (at, result) => {
            if (result.errorCode === 0 && hosted && manager.find(topic, partition) === hosted) onCommitted(hosted, result.lastOffset)
            sink.complete(at, result)
          },
        }
        manager.append(topic, partition, records, terms, watched, slot)
      },
    }
    plantInReplicas(planted, replicas)
    return replicas
  }
}
