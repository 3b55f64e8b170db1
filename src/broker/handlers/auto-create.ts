// What is asked of the controller for a topic that nobody created: a plain topic with the node's defaults, or one
// of the internal topics with the settings its coordinator needs.

import type { CreateTopicSpec } from '../../controller/controller-api.js'
import type { MetadataImage } from '../../controller/image.js'
import { GROUP_METADATA_TOPIC, TRANSACTION_STATE_TOPIC } from '../../model/topic-partition.js'
import type { ConfigStore } from '../config/config-store.js'

export function autoCreateSpec(name: string, configs: ConfigStore, image: MetadataImage): CreateTopicSpec {
  switch (name) {
    case GROUP_METADATA_TOPIC:
      return internal(name, 'offsets.topic', configs, image, [
        ['cleanup.policy', 'compact'],
        ['segment.bytes', String(configs.getNumber('offsets.topic.segment.bytes'))],
        ['compression.type', 'producer'],
      ])
    case TRANSACTION_STATE_TOPIC:
      return internal(name, 'transaction.state.log', configs, image, [
        ['cleanup.policy', 'compact'],
        ['segment.bytes', String(configs.getNumber('transaction.state.log.segment.bytes'))],
        ['compression.type', 'uncompressed'],
        ['min.insync.replicas', String(configs.getNumber('transaction.state.log.min.isr'))],
        ['unclean.leader.election.enable', 'false'],
      ])
    default:
      return { name, numPartitions: -1, replicationFactor: -1, assignments: [], configs: [] }
  }
}

/** Kafka's default of three replicas is what a cluster wants and what one node cannot give: as many as there are brokers then. */
function internal(
  name: string,
  prefix: string,
  configs: ConfigStore,
  image: MetadataImage,
  overrides: readonly (readonly [string, string])[],
): CreateTopicSpec {
  const alive = [...image.brokers.values()].filter((broker) => !broker.fenced).length
  return {
    name,
    numPartitions: configs.getNumber(`${prefix}.num.partitions`),
    replicationFactor: Math.max(1, Math.min(configs.getNumber(`${prefix}.replication.factor`), alive)),
    assignments: [],
    configs: overrides.map(([setting, value]) => ({ name: setting, value })),
  }
}
