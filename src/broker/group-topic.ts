// Makes sure that __consumer_offsets exists.

import type { ControllerApi } from '../controller/controller-api.js'
import type { MetadataImage } from '../controller/image.js'
import { errors } from '../model/errors.js'
import { GROUP_METADATA_TOPIC } from '../model/topic-partition.js'
import type { ConfigStore } from './config/config-store.js'
import { autoCreateSpec } from './handlers/auto-create.js'

/** The partition count of the topic, 0 while it cannot be created. */
export async function ensureGroupTopic(image: () => MetadataImage, configs: ConfigStore, controller: ControllerApi): Promise<number> {
  const existing = image().topics.get(GROUP_METADATA_TOPIC)
  if (existing) return existing.partitions.length
  const [outcome] = await controller.createTopics([autoCreateSpec(GROUP_METADATA_TOPIC, configs, image())], false)
  if (!outcome || (outcome.errorCode !== errors.NONE.code && outcome.errorCode !== errors.TOPIC_ALREADY_EXISTS.code)) return 0
  return image().topics.get(GROUP_METADATA_TOPIC)?.partitions.length ?? 0
}
