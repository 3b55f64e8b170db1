// Known bugs of group coordinators, put over the instances of one life of a simulated node. See planted.ts.

import type { GroupCoordinators, GroupCoordinatorsOptions } from '../../../src/broker/group-coordinators.js'
import type { MetadataImage } from '../../../src/controller/image.js'
import { GROUP_METADATA_TOPIC } from '../../../src/model/topic-partition.js'
import type { HostedPartition } from '../../../src/replica/hosted-partition.js'
import type { Planted } from './planted.js'

type Replicas = GroupCoordinatorsOptions['replicas']

/** What a coordinator keeps to itself. */
interface Shards {
  readonly shards: ReadonlyMap<
    number,
    { readonly shard: { readonly groups: ReadonlyMap<string, { readonly generationId: number }>; readonly runtime: { state: string } } }
  >
}

export function plantInCoordinators(planted: Planted | undefined, groups: GroupCoordinators): void {
  const { shards } = groups as unknown as Shards
  const [opened, call] = [groups.opened.bind(groups), groups.call.bind(groups)]
  if (planted === 'staleCoordinatorAnswers')
    groups.opened = (partition) => {
      if (!shards.has(partition)) opened(partition)
    }
  if (planted === 'answersBeforeLoaded')
    groups.opened = (partition) => {
      opened(partition)
      const runtime = shards.get(partition)?.shard.runtime
      if (runtime?.state === 'loading') runtime.state = 'active'
    }
  if (planted === 'generationNotChecked')
    groups.call = (partition, method, argument) => {
      const { groupId, generationId = -1 } = argument as { readonly groupId: string; readonly generationId?: number }
      const current = shards.get(partition)?.shard.groups.get(groupId)?.generationId ?? generationId
      return call(partition, method, method === 'commitOffsets' && generationId >= 0 ? { ...argument, generationId: current } : argument)
    }
}

/** The image that requests are judged by. */
export function plantedImage(planted: Planted | undefined, image: MetadataImage, nodeId: number, groups: GroupCoordinators): MetadataImage {
  const topic = image.topics.get(GROUP_METADATA_TOPIC)
  const own = image.brokers.get(nodeId)
  if (planted !== 'staleCoordinatorAnswers' || !topic || !own) return image
  const { shards } = groups as unknown as Shards
  const partitions = topic.partitions.map((state) => (shards.has(state.partition) ? { ...state, leader: nodeId } : state))
  return {
    ...image,
    topics: new Map(image.topics).set(GROUP_METADATA_TOPIC, { ...topic, partitions }),
    brokers: new Map(image.brokers).set(nodeId, { ...own, fenced: false }),
  }
}

/** The replicas as coordinators see them. */
export function plantInReplicas(planted: Planted | undefined, replicas: Replicas): void {
  if (planted === 'commitAnsweredEarly') {
    const { append } = replicas
    replicas.append = (topic, partition, records, terms, sink, slot) => append(topic, partition, records, { ...terms, acks: 1 }, sink, slot)
  }
  if (planted === 'loadsToWatermark') {
    const { find } = replicas
    const shown = new WeakMap<HostedPartition, HostedPartition>()
    replicas.find = (topic, partition) => {
      const hosted = find(topic, partition)
      if (hosted && !shown.has(hosted)) shown.set(hosted, endingAtWatermark(hosted))
      return hosted && shown.get(hosted)
    }
  }
}

function endingAtWatermark(hosted: HostedPartition): HostedPartition {
  const log = over(hosted.log, 'logEndOffset', () => Math.max(hosted.log.logStartOffset, hosted.state.highWatermark))
  return over(hosted, 'log', () => log)
}

/** `target` with another value of one property. */
function over<T extends object>(target: T, name: keyof T, value: () => unknown): T {
  return new Proxy(target, {
    get: (_, key) => {
      if (key === name) return value()
      const member = Reflect.get(target, key, target) as unknown
      return typeof member === 'function' ? (member.bind(target) as unknown) : member
    },
  })
}
