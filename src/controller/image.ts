// The metadata image: an immutable value that every thread of a node holds a copy of. The thread coordinator
// keeps the newest one and posts `MetadataDelta`s to its workers (a whole image only to a new one). Pure: no I/O.

import type { Uuid } from '../model/topic-partition.js'

export interface BrokerEndpoint {
  /** Listener name, e.g. PLAINTEXT. */
  readonly name: string
  readonly host: string
  readonly port: number
  readonly securityProtocol: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL'
}

/** The range of levels of one feature that a broker can work with. */
export interface FeatureRange {
  readonly min: number
  readonly max: number
}

export interface BrokerImage {
  readonly id: number
  /** czxid of the broker's registration znode; of a broker that is away, that of its last life. */
  readonly epoch: bigint
  readonly endpoints: readonly BrokerEndpoint[]
  readonly rack: string | null
  /** Not to be used: away, not yet taken up by the controller, or still reading the metadata. */
  readonly fenced: boolean
  /** It is stopping: it keeps what nobody else can lead, and gets nothing new. */
  readonly shuttingDown: boolean
  /** Its registration znode stands, i.e. its session lives. */
  readonly alive: boolean
  /** It says that it has caught up with the metadata. */
  readonly ready: boolean
  /** The controller has done what follows from this life's start. */
  readonly accepted: boolean
  /** Names this life. */
  readonly incarnation: string
  /** The life before this one ended without a clean stop. */
  readonly uncleanShutdown: boolean
  /** Records that this broker had acknowledged may be missing from its logs (the machine failed, not the process alone). */
  readonly lostWrites: boolean
  /** A data directory that its former life had is gone, with all that lay in it. */
  readonly lostDirs: boolean
  readonly features: ReadonlyMap<string, FeatureRange>
  /** Ids of its data directories. */
  readonly logDirs: readonly string[]
}

export interface PartitionImage {
  readonly partition: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  readonly addingReplicas: readonly number[]
  readonly removingReplicas: readonly number[]
  /** -1: no leader. */
  readonly leader: number
  readonly leaderEpoch: number
  /** Version of the partition's state for conditional changes. */
  readonly partitionEpoch: number
  /** Eligible leader replicas (KIP-966): out of the ISR since it fell below min ISR, so nothing was committed without them. */
  readonly elr: readonly number[]
  /** Left ISR or ELR since then because their logs failed: they may lack committed records, and count before one that has lost them. */
  readonly lastKnownElr: readonly number[]
  /** Replicas that cannot be used though their broker lives: the directory failed, or the log is damaged. */
  readonly offline: readonly number[]
  /** The leader was elected uncleanly and has not said yet that it has recovered. */
  readonly recovering: boolean
}

export interface TopicImage {
  readonly name: string
  readonly id: Uuid
  /** Index = partition number. */
  readonly partitions: readonly PartitionImage[]
  /** Since it was created nothing of it was acknowledged, or counted as held by a replica, before that replica had it on its disk. */
  readonly alwaysSynced: boolean
}

/** `type` is Kafka's resource type in words; broker configs use the id as name, '' for the cluster-wide default. */
export type ConfigResourceKind = 'topic' | 'broker' | 'broker-logger' | 'client-metrics' | 'group'

export interface MetadataImage {
  readonly clusterId: string
  readonly controllerId: number
  readonly controllerEpoch: number
  /** zxid of the newest change in this image. */
  readonly zxid: bigint
  readonly brokers: ReadonlyMap<number, BrokerImage>
  readonly topics: ReadonlyMap<string, TopicImage>
  readonly topicNames: ReadonlyMap<Uuid, string>
  /** Overrides only: key `${kind}:${name}` → setting name → value. */
  readonly configs: ReadonlyMap<string, ReadonlyMap<string, string>>
  /** Finalized feature levels (UpdateFeatures). */
  readonly features: ReadonlyMap<string, number>
}

export type MetadataChange =
  | { readonly kind: 'topic'; readonly topic: TopicImage }
  /** Partitions of a topic that changed, when its id and the number of its partitions did not. */
  | { readonly kind: 'partitions'; readonly topic: string; readonly partitions: readonly PartitionImage[] }
  | { readonly kind: 'topic-deleted'; readonly name: string; readonly id: Uuid }
  | { readonly kind: 'broker'; readonly broker: BrokerImage }
  | { readonly kind: 'broker-gone'; readonly id: number }
  | { readonly kind: 'config'; readonly resource: ConfigResourceKind; readonly name: string; readonly values: ReadonlyMap<string, string> }
  | { readonly kind: 'controller'; readonly id: number; readonly epoch: number }
  | { readonly kind: 'features'; readonly features: ReadonlyMap<string, number> }
  | { readonly kind: 'cluster'; readonly clusterId: string }

export interface MetadataDelta {
  readonly zxid: bigint
  readonly changes: readonly MetadataChange[]
}

export function emptyImage(clusterId: string): MetadataImage {
  return {
    clusterId,
    controllerId: -1,
    controllerEpoch: 0,
    zxid: 0n,
    brokers: new Map(),
    topics: new Map(),
    topicNames: new Map(),
    configs: new Map(),
    features: new Map(),
  }
}

export function configKey(resource: ConfigResourceKind, name: string): string {
  return `${resource}:${name}`
}

/** The image after `delta`. Maps the delta does not touch are shared with `image`. */
export function applyDelta(image: MetadataImage, delta: MetadataDelta): MetadataImage {
  const kinds = new Set(delta.changes.map((change) => change.kind))
  const touchesTopics = kinds.has('topic') || kinds.has('topic-deleted')
  const topics = touchesTopics || kinds.has('partitions') ? new Map(image.topics) : image.topics
  const topicNames = touchesTopics ? new Map(image.topicNames) : image.topicNames
  const brokers = kinds.has('broker') || kinds.has('broker-gone') ? new Map(image.brokers) : image.brokers
  const configs = kinds.has('config') ? new Map(image.configs) : image.configs
  const next = { ...image, zxid: delta.zxid, topics, topicNames, brokers, configs }
  for (const change of delta.changes) applyChange(next, change)
  return next
}

type Draft = {
  -readonly [K in keyof MetadataImage]: MetadataImage[K] extends ReadonlyMap<infer A, infer B> ? Map<A, B> : MetadataImage[K]
}

function applyChange(next: MetadataImage, change: MetadataChange): void {
  const draft = next as Draft
  switch (change.kind) {
    case 'topic':
      draft.topics.set(change.topic.name, change.topic)
      draft.topicNames.set(change.topic.id, change.topic.name)
      break
    case 'partitions':
      replacePartitions(draft.topics, change.topic, change.partitions)
      break
    case 'topic-deleted':
      draft.topics.delete(change.name)
      draft.topicNames.delete(change.id)
      break
    case 'broker':
      draft.brokers.set(change.broker.id, change.broker)
      break
    case 'broker-gone':
      draft.brokers.delete(change.id)
      break
    case 'config':
      if (change.values.size === 0) draft.configs.delete(configKey(change.resource, change.name))
      else draft.configs.set(configKey(change.resource, change.name), change.values)
      break
    case 'controller':
      draft.controllerId = change.id
      draft.controllerEpoch = change.epoch
      break
    case 'features':
      draft.features = change.features as Map<string, number>
      break
    case 'cluster':
      draft.clusterId = change.clusterId
      break
  }
}

function replacePartitions(topics: Map<string, TopicImage>, name: string, changed: readonly PartitionImage[]): void {
  const topic = topics.get(name)
  if (!topic) return
  const partitions = topic.partitions.slice()
  for (const state of changed) partitions[state.partition] = state
  topics.set(name, { ...topic, partitions })
}

/** May lead and be in sync: alive, caught up, and not about to stop. */
export function isActive(image: MetadataImage, broker: number): boolean {
  const registered = image.brokers.get(broker)
  return registered !== undefined && !registered.fenced && !registered.shuttingDown
}

/** May go on with what it leads. */
export function isServing(image: MetadataImage, broker: number): boolean {
  return image.brokers.get(broker)?.fenced === false
}
