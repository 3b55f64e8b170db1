// What group handlers need of a broker: an image with topic `t` (two partitions), and shards behind a mailbox that clones.

import type { HandlerContext, RequestContext } from '../../../src/broker/handlers/handler.js'
import type { BrokerServices } from '../../../src/broker/handlers/services.js'
import { emptyImage } from '../../../src/controller/image.js'
import type { MetadataImage, PartitionImage, TopicImage } from '../../../src/controller/image.js'
import { DEFAULT_GROUP_CONFIG } from '../../../src/coordinators/group/group-config.js'
import { GroupCoordinatorShard } from '../../../src/coordinators/group/group-shard.js'
import { partitionForGroup } from '../../../src/coordinators/group/partition-for-group.js'
import { GROUP_METADATA_TOPIC } from '../../../src/model/topic-partition.js'
import { SimEnv } from '../../support/sim-env.js'
import { MemoryPartition } from './memory-partition.js'

const NODE = 1
export const T_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'
export const PARTITIONS = 4

export function topicImage(name: string, id: string, count: number, leader = NODE): TopicImage {
  const partitions = Array.from({ length: count }, (_, partition): PartitionImage => {
    return {
      partition,
      replicas: [leader],
      isr: [leader],
      addingReplicas: [],
      removingReplicas: [],
      leader,
      leaderEpoch: 0,
      partitionEpoch: 0,
      elr: [],
      lastKnownElr: [],
      offline: [],
      recovering: false,
    }
  })
  return { name, id, partitions, alwaysSynced: false }
}

export interface Fixture {
  readonly env: SimEnv
  readonly broker: HandlerContext
  readonly shards: GroupCoordinatorShard[]
  image: MetadataImage
  /** Makes calls of shards fail, as when their worker died. */
  dead: boolean
}

export async function setUp(env = new SimEnv()): Promise<Fixture> {
  const t = topicImage('t', T_ID, 2)
  const offsets = topicImage(GROUP_METADATA_TOPIC, 'AAAAAAAAAAAAAAAAAAAAAg', PARTITIONS)
  const image: MetadataImage = {
    ...emptyImage('c'),
    topics: new Map([
      ['t', t],
      [offsets.name, offsets],
    ]),
    topicNames: new Map([[T_ID, 't']]),
  }
  const config = { ...DEFAULT_GROUP_CONFIG, initialRebalanceDelayMs: 0 }
  const shards = Array.from({ length: PARTITIONS }, (_, partition) => {
    return new GroupCoordinatorShard({ partition, writer: new MemoryPartition(), env, config: () => config, image: () => image })
  })
  await Promise.all(shards.map((shard) => shard.load()))
  const services = {
    groupPartitionFor: async (groupId: string) => partitionForGroup(groupId, PARTITIONS),
    callGroupCoordinator: async (partition: number, method: string, argument: object) => {
      if (fixture.dead) throw new Error('worker gone')
      const shard = shards[partition] as unknown as Record<string, (argument: object) => Promise<object>>
      return structuredClone(await shard[method]!(structuredClone(argument)))
    },
  }
  const fixture: Fixture = {
    env,
    shards,
    image,
    dead: false,
    broker: { env, nodeId: NODE, image: () => fixture.image, services: services as unknown as BrokerServices },
  }
  return fixture
}

export function context(version: number): RequestContext {
  return {
    apiKey: 0,
    version,
    correlationId: 1,
    clientId: 'cli',
    principal: 'User:ANONYMOUS',
    clientHost: '127.0.0.1',
    listenerName: 'PLAINTEXT',
    localAddress: '127.0.0.1',
    localPort: 9092,
    isOpen: () => true,
  }
}
