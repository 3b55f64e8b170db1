// Makes sure that __consumer_offsets exists, with Kafka's settings for it.

import type { ControllerApi } from '../controller/controller-api.js'
import type { MetadataImage } from '../controller/image.js'
import { errors } from '../model/errors.js'
import { GROUP_METADATA_TOPIC } from '../model/topic-partition.js'
import type { ConfigStore } from './config/config-store.js'

/** The partition count of the topic, 0 while it cannot be created. */
export async function ensureGroupTopic(image: () => MetadataImage, configs: ConfigStore, controller: ControllerApi): Promise<number> {
  const existing = image().topics.get(GROUP_METADATA_TOPIC)
  if (existing) return existing.partitions.length
  const brokers = Math.max(1, image().brokers.size)
  const [outcome] = await controller.createTopics(
    [
      {
        name: GROUP_METADATA_TOPIC,
        numPartitions: configs.getNumber('offsets.topic.num.partitions'),
        // A node alone cannot hold three copies; a cluster takes the configured factor.
        replicationFactor: Math.min(brokers, configs.getNumber('offsets.topic.replication.factor')),
        assignments: [],
        configs: [
          { name: 'cleanup.policy', value: 'compact' },
          { name: 'segment.bytes', value: String(configs.getNumber('offsets.topic.segment.bytes')) },
          { name: 'compression.type', value: 'producer' },
        ],
      },
    ],
    false,
  )
  if (!outcome || (outcome.errorCode !== errors.NONE.code && outcome.errorCode !== errors.TOPIC_ALREADY_EXISTS.code)) return 0
  return image().topics.get(GROUP_METADATA_TOPIC)?.partitions.length ?? 0
}
