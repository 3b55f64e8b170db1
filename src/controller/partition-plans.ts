// What one event means for all partitions of the cluster at once: a broker that came, went, stops or has failed
// directories; elections; the balance of leaders. Pure: image and rules in, the partitions that change out. The scan
// looks at every partition in memory and builds objects only for those that change.

import { configKey, isActive, isServing, type MetadataImage, type PartitionImage, type TopicImage } from './image.js'
import { changePartition, type ChangeRequest, type PartitionContext, usableIn } from './partition-change.js'
import type { ControllerRules, PartitionRules } from './rules.js'

/** The partitions of one topic that change, by their new states. */
export interface TopicUpdate {
  readonly topic: TopicImage
  readonly states: readonly PartitionImage[]
}

const DEFAULT_RULES: PartitionRules = { minIsr: 1, uncleanElection: false }

/** A view of `image` in which some brokers count otherwise: the controller plans before it writes that they do. */
export interface Standing {
  /** Taken up with this plan: active though the image says fenced. */
  readonly active?: ReadonlySet<number>
  /** Told to stop with this plan. */
  readonly stopping?: number
}

export function contextFor(image: MetadataImage, topic: string, rules: ControllerRules, standing: Standing = {}): PartitionContext {
  const { minIsr, uncleanElection } = rules.partitionRules?.(topic) ?? DEFAULT_RULES
  const taken = (broker: number): boolean => standing.active?.has(broker) === true
  return {
    minIsr,
    uncleanElection,
    alwaysSynced: isAlwaysSynced(image, topic, rules),
    isActive: (broker) => broker !== standing.stopping && (taken(broker) || isActive(image, broker)),
    isServing: (broker) => taken(broker) || isServing(image, broker),
  }
}

/** A controller of an earlier build did not end it when the promise changed: so that has to hold still. */
function isAlwaysSynced(image: MetadataImage, topic: string, rules: ControllerRules): boolean {
  const overrides = image.configs.get(configKey('topic', topic))
  return image.topics.get(topic)?.alwaysSynced === true && overrides !== undefined && rules.promisesDisk?.(overrides) === true
}

/** Asks `requestFor` of every partition of `topics`; null: leave it as it is. */
export function planPartitions(
  topics: Iterable<TopicImage>,
  contextOf: (topic: string) => PartitionContext,
  requestFor: (state: PartitionImage, context: PartitionContext, topic: TopicImage) => ChangeRequest | null,
): TopicUpdate[] {
  const updates: TopicUpdate[] = []
  for (const topic of topics) {
    const context = contextOf(topic.name)
    const states: PartitionImage[] = []
    for (const state of topic.partitions) {
      const request = requestFor(state, context, topic)
      const next = request ? changePartition(state, request, context) : state
      if (next !== state) states.push(next)
    }
    if (states.length > 0) updates.push({ topic, states })
  }
  return updates
}

/** Makes every partition right for the brokers as they stand: dead ones out of ISRs, leaders where there can be one. */
export function planLiveness(image: MetadataImage, rules: ControllerRules, standing: Standing = {}): TopicUpdate[] {
  return planPartitions(image.topics.values(), (topic) => contextFor(image, topic, rules, standing), livenessRequest)
}

export function livenessRequest(state: PartitionImage, context: PartitionContext): ChangeRequest | null {
  const usable = usableIn(context, state.offline)
  const minIsr = Math.min(context.minIsr, state.replicas.length)
  const settled = state.isr.length >= minIsr ? state.elr.length === 0 && state.lastKnownElr.length === 0 : true
  if (settled && usable(state.leader) && state.isr.every(usable)) return null
  return { isr: state.isr.filter(usable) }
}

/** Who may lack records that were acknowledged on its word. */
export interface Losses {
  readonly brokers: ReadonlySet<number>
  /** Of those: not what had not reached the disk, the disk itself. */
  readonly alsoSynced: ReadonlySet<number>
}

/**
 * `unclean` are back after lives that ended uncleanly. Those that may have lost records leave ISR and ELR while anybody
 * else is in them; where nothing counted before it was on the disk only those that lost that. What any of them still
 * leads goes on under a new leader epoch, so that a consumer that had read what is gone finds out (OffsetForLeaderEpoch)
 * instead of skipping what is written at those offsets next.
 */
export function planUncleanReturn(
  image: MetadataImage,
  rules: ControllerRules,
  unclean: ReadonlySet<number>,
  losses: Losses,
  standing: Standing,
): TopicUpdate[] {
  return planPartitions(
    image.topics.values(),
    (topic) => contextFor(image, topic, rules, standing),
    (state, context) => {
      const led = unclean.has(state.leader) || losses.brokers.has(state.leader)
      const lost = context.alwaysSynced ? losses.alsoSynced : losses.brokers
      const concerned = led || [state.isr, state.elr, state.lastKnownElr].some((ids) => ids.some((id) => lost.has(id)))
      if (!concerned) return livenessRequest(state, context)
      const usable = usableIn(context, state.offline)
      return { isr: state.isr.filter((id) => !lost.has(id) && usable(id)), lost, raiseLeaderEpoch: led }
    },
  )
}

/** `broker` stops: what others can lead goes to them, and it leaves ISRs that others are in. */
export function planShutdown(image: MetadataImage, rules: ControllerRules, broker: number): TopicUpdate[] {
  return planLiveness(image, rules, { stopping: broker })
}

/** How many partitions `broker` leads in `image`. */
export function ledBy(image: MetadataImage, broker: number): number {
  let count = 0
  for (const topic of image.topics.values()) for (const state of topic.partitions) if (state.leader === broker) count++
  return count
}

type PartitionSets = ReadonlyMap<string, ReadonlySet<number>>

/** Replicas of a broker, by topic id and partition. */
export interface ReplicaNews {
  /** They cannot be used from now on. */
  readonly offline: PartitionSets
  /** Of those: they will be cut. */
  readonly damaged: PartitionSets
  /** They can again. */
  readonly online: PartitionSets
  /** They cannot be written to for now. */
  readonly full: PartitionSets
}

/**
 * What `broker` says of its replicas. One whose disk is full leaves the in-sync set, and leads no more, where others are in it: else writes
 * would wait for space there. It comes back by itself, once it has caught up and says no more that it is full.
 */
export function planReplicaReport(image: MetadataImage, rules: ControllerRules, broker: number, news: ReplicaNews): TopicUpdate[] {
  const { offline, online, damaged, full } = news
  const ids = new Set([...offline.keys(), ...online.keys(), ...full.keys()])
  const topics = [...ids].flatMap((id) => image.topics.get(image.topicNames.get(id) ?? '') ?? [])
  return planPartitions(
    topics,
    (topic) => contextFor(image, topic, rules),
    (state, context, topic) => {
      if (!state.replicas.includes(broker)) return null
      const isIn = (sets: PartitionSets): boolean => sets.get(topic.id)?.has(state.partition) === true
      const fails = isIn(offline)
      const isDamaged = fails && isIn(damaged)
      const isCountedOn = state.elr.includes(broker) || state.lastKnownElr.includes(broker)
      if ((fails || isIn(online)) && (fails !== state.offline.includes(broker) || (isDamaged && isCountedOn))) {
        const others = state.offline.filter((id) => id !== broker)
        const next = fails ? [...others, broker] : others
        return { offline: next, isr: state.isr.filter(usableIn(context, next)), ...(isDamaged ? { damaged: new Set([broker]) } : {}) }
      }
      const others = state.isr.filter(usableIn(context, state.offline)).filter((id) => id !== broker)
      return isIn(full) && state.isr.includes(broker) && others.length > 0 ? { isr: others } : null
    },
  )
}

/** min.insync.replicas of `topics` changes: who was eligible under the old one need not be under the new one. */
export function planForgetElr(image: MetadataImage, rules: ControllerRules, topics: Iterable<TopicImage>): TopicUpdate[] {
  return planPartitions(
    topics,
    (topic) => contextFor(image, topic, rules),
    (state) => (state.elr.length + state.lastKnownElr.length > 0 ? { forgetElr: true } : null),
  )
}

/** One turn moves at most this many leaders, so that clients are not all sent elsewhere at once. */
const MAX_REBALANCED = 1000

/** Preferred replicas get back what they should lead, for brokers that lead too little of it. */
export function planRebalance(image: MetadataImage, rules: ControllerRules, percentage: number): TopicUpdate[] {
  const preferredBy = new Map<number, { all: number; away: number }>()
  for (const topic of image.topics.values()) {
    for (const state of topic.partitions) {
      const preferred = state.replicas[0]!
      const count = preferredBy.get(preferred) ?? { all: 0, away: 0 }
      count.all++
      if (state.leader !== preferred) count.away++
      preferredBy.set(preferred, count)
    }
  }
  const isDue = (broker: number): boolean => {
    const { all, away } = preferredBy.get(broker) ?? { all: 0, away: 0 }
    return isActive(image, broker) && away * 100 > all * percentage
  }
  let moved = 0
  return planPartitions(
    image.topics.values(),
    (topic) => contextFor(image, topic, rules),
    (state, context) => {
      const preferred = state.replicas[0]!
      if (state.leader === preferred || state.addingReplicas.length + state.removingReplicas.length > 0) return null
      if (!state.isr.includes(preferred) || !context.isActive(preferred) || state.offline.includes(preferred) || !isDue(preferred))
        return null
      return moved++ < MAX_REBALANCED ? { election: 'preferred' } : null
    },
  )
}
