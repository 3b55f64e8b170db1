// Decides CreateTopics, CreatePartitions and DeleteTopics: Kafka's checks in Kafka's order, with its codes and
// messages. Pure functions of (image, request, rules, random): the controller writes what they plan.

import type { Random } from '../env/env.js'
import { errors } from '../model/errors.js'
import { ZERO_UUID, type Uuid } from '../model/topic-partition.js'
import type { CreatePartitionsSpec, CreateTopicOutcome, CreateTopicSpec, Outcome } from './controller-api.js'
import type { MetadataImage, PartitionImage, TopicImage } from './image.js'
import { newPartition } from './partition-state.js'
import { placeReplicas } from './placement.js'
import type { ControllerRules, TopicDefaults } from './rules.js'
import { collisionKey, topicNameProblem } from './topic-names.js'

export type Refusal = Outcome

export interface TopicPlan {
  readonly topic: TopicImage
  readonly configs: ReadonlyMap<string, string>
}

export type Decision<Plan> = { readonly kind: 'refused'; readonly refusal: Refusal } | { readonly kind: 'planned'; readonly plan: Plan }

export function refuse(errorCode: number, errorMessage: string | null): { readonly kind: 'refused'; readonly refusal: Refusal } {
  return { kind: 'refused', refusal: { errorCode, errorMessage } }
}

/** One request may not ask for more: it would hold up everything behind it. */
const MAX_PARTITIONS_PER_REQUEST = 10_000
const MAX_INT16 = 32_767

/** One decision per spec, in order. A topic accepted earlier in the request counts for the ones after it. */
export function decideCreateTopics(
  image: MetadataImage,
  specs: readonly CreateTopicSpec[],
  rules: ControllerRules,
  random: Random,
): Decision<TopicPlan>[] {
  const defaults = rules.defaults()
  if (totalPartitions(specs, defaults) > MAX_PARTITIONS_PER_REQUEST) {
    return specs.map(() => refuse(errors.POLICY_VIOLATION.code, 'Excessively large number of partitions per request.'))
  }
  const duplicates = duplicatesOf(specs.map((spec) => spec.name))
  const taken = new Map<string, string>()
  for (const name of image.topics.keys()) taken.set(collisionKey(name), name)
  return specs.map((spec) => {
    const refused = nameRefusal(image, spec.name, duplicates, taken)
    const decision = refused ?? decideTopic(image, spec, defaults, rules, random)
    if (decision.kind === 'planned') taken.set(collisionKey(spec.name), spec.name)
    return decision
  })
}

function totalPartitions(specs: readonly CreateTopicSpec[], defaults: TopicDefaults): number {
  let total = 0
  for (const spec of specs) {
    if (spec.assignments.length > 0) total += spec.assignments.length
    else total += spec.numPartitions === -1 ? defaults.numPartitions : Math.max(0, spec.numPartitions)
  }
  return total
}

export function duplicatesOf(names: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>()
  return new Set(names.filter((name) => seen.has(name) || !seen.add(name)))
}

function nameRefusal(image: MetadataImage, name: string, duplicates: ReadonlySet<string>, taken: ReadonlyMap<string, string>) {
  if (duplicates.has(name)) return refuse(errors.INVALID_REQUEST.code, 'Duplicate topic name.')
  if (name === '__cluster_metadata') {
    return refuse(errors.INVALID_REQUEST.code, 'Creation of internal topic __cluster_metadata is prohibited.')
  }
  const problem = topicNameProblem(name)
  if (problem) return refuse(errors.INVALID_TOPIC_EXCEPTION.code, problem)
  if (image.topics.has(name)) return refuse(errors.TOPIC_ALREADY_EXISTS.code, `Topic '${name}' already exists.`)
  const other = taken.get(collisionKey(name))
  if (other !== undefined) return refuse(errors.INVALID_TOPIC_EXCEPTION.code, `Topic '${name}' collides with existing topic: ${other}`)
  return null
}

function decideTopic(
  image: MetadataImage,
  spec: CreateTopicSpec,
  defaults: TopicDefaults,
  rules: ControllerRules,
  random: Random,
): Decision<TopicPlan> {
  const configs = decideTopicConfigs(spec, rules)
  if (configs.kind === 'refused') return configs
  const partitions = spec.assignments.length > 0 ? assignedPartitions(image, spec) : placedPartitions(image, spec, defaults, random)
  if (partitions.kind === 'refused') return partitions
  return {
    kind: 'planned',
    plan: {
      topic: {
        name: spec.name,
        id: newTopicId(random),
        partitions: partitions.plan,
        alwaysSynced: rules.promisesDisk?.(configs.plan) ?? false,
      },
      configs: configs.plan,
    },
  }
}

function decideTopicConfigs(spec: CreateTopicSpec, rules: ControllerRules): Decision<Map<string, string>> {
  const nulls = spec.configs.filter((config) => config.value === null).map((config) => config.name)
  if (nulls.length > 0) return refuse(errors.INVALID_CONFIG.code, `Null value not supported for topic configs: ${nulls.join(',')}`)
  const values = new Map<string, string>()
  for (const { name, value } of spec.configs) {
    const problem = rules.validateConfig('topic', spec.name, name, value!)
    if (problem) return refuse(errors.INVALID_CONFIG.code, problem)
    values.set(name, value!)
  }
  const conflict = rules.validateTogether?.('topic', values)
  if (conflict) return refuse(errors.INVALID_CONFIG.code, conflict)
  return { kind: 'planned', plan: values }
}

function assignedPartitions(image: MetadataImage, spec: CreateTopicSpec): Decision<PartitionImage[]> {
  if (spec.replicationFactor !== -1) {
    return refuse(errors.INVALID_REQUEST.code, 'A manual partition assignment was specified, but replication factor was not set to -1.')
  }
  if (spec.numPartitions !== -1) {
    return refuse(errors.INVALID_REQUEST.code, 'A manual partition assignment was specified, but numPartitions was not set to -1.')
  }
  const byIndex = new Map<number, PartitionImage>()
  let replicaCount = -1
  for (const { partitionIndex, brokerIds } of spec.assignments) {
    if (byIndex.has(partitionIndex)) {
      return refuse(errors.INVALID_REPLICA_ASSIGNMENT.code, `Found multiple manual partition assignments for partition ${partitionIndex}`)
    }
    const problem = assignmentProblem(image, brokerIds, replicaCount)
    if (problem) return refuse(errors.INVALID_REPLICA_ASSIGNMENT.code, problem)
    replicaCount = brokerIds.length
    const state = newPartition(partitionIndex, brokerIds, (id) => isUsable(image, id))
    if (state.leader === -1) return refuse(errors.INVALID_REPLICA_ASSIGNMENT.code, allFenced(partitionIndex))
    byIndex.set(partitionIndex, state)
  }
  const partitions: PartitionImage[] = []
  for (let index = 0; index < byIndex.size; index++) {
    const state = byIndex.get(index)
    if (!state) return refuse(errors.INVALID_REPLICA_ASSIGNMENT.code, 'partitions should be a consecutive 0-based integer sequence')
    partitions.push(state)
  }
  return { kind: 'planned', plan: partitions }
}

function allFenced(partition: number): string {
  return `All brokers specified in the manual partition assignment for partition ${partition} are fenced or in controlled shutdown.`
}

/** `replicaCount` -1: no other partition to be consistent with. */
function assignmentProblem(image: MetadataImage, brokerIds: readonly number[], replicaCount: number): string | null {
  if (brokerIds.length === 0) return 'The manual partition assignment includes an empty replica list.'
  const sorted = [...brokerIds].sort((a, b) => a - b)
  for (let i = 0; i < sorted.length; i++) {
    const id = sorted[i]!
    if (!image.brokers.has(id)) return `The manual partition assignment includes broker ${id}, but no such broker is registered.`
    if (i > 0 && sorted[i - 1] === id) return `The manual partition assignment includes the broker ${id} more than once.`
  }
  if (replicaCount !== -1 && brokerIds.length !== replicaCount) {
    return `The manual partition assignment includes a partition with ${brokerIds.length} replica(s), but this is not consistent with previous partitions, which have ${replicaCount} replica(s).`
  }
  return null
}

function isUsable(image: MetadataImage, broker: number): boolean {
  return image.brokers.get(broker)?.fenced === false
}

function placedPartitions(
  image: MetadataImage,
  spec: CreateTopicSpec,
  defaults: TopicDefaults,
  random: Random,
): Decision<PartitionImage[]> {
  if (spec.replicationFactor < -1 || spec.replicationFactor === 0) {
    return refuse(errors.INVALID_REPLICATION_FACTOR.code, 'Replication factor must be larger than 0, or -1 to use the default value.')
  }
  if (spec.numPartitions < -1 || spec.numPartitions === 0) {
    return refuse(errors.INVALID_PARTITIONS.code, 'Number of partitions was set to an invalid non-positive value.')
  }
  const count = spec.numPartitions === -1 ? defaults.numPartitions : spec.numPartitions
  const factor = spec.replicationFactor === -1 ? defaults.replicationFactor : spec.replicationFactor
  return placeNew(image, 0, count, factor, random)
}

function placeNew(image: MetadataImage, first: number, count: number, factor: number, random: Random): Decision<PartitionImage[]> {
  const problem = placementProblem(image, factor)
  if (problem) return refuse(errors.INVALID_REPLICATION_FACTOR.code, `Unable to replicate the partition ${factor} time(s): ${problem}`)
  const usable = [...image.brokers.values()].filter((broker) => !broker.fenced)
  const placed = placeReplicas(usable, count, factor, random)
  return { kind: 'planned', plan: placed.map((replicas, i) => newPartition(first + i, replicas, (id) => isUsable(image, id))) }
}

function placementProblem(image: MetadataImage, factor: number): string | null {
  if (factor > MAX_INT16) return `Invalid replication factor ${factor}: expected a number equal to less than ${MAX_INT16}`
  const brokers = [...image.brokers.values()]
  if (factor > brokers.length) {
    return `The target replication factor of ${factor} cannot be reached because only ${brokers.length} broker(s) are registered or some brokers have all their log directories cordoned.`
  }
  // Replicas are put on brokers that can take them now; a fenced one counts as registered only.
  const usable = brokers.filter((broker) => !broker.fenced).length
  if (usable < factor) return 'All brokers are currently fenced, or have all their log directories cordoned.'
  return null
}

/** Random, never one that a command line would read as an option, never the zero id. */
export function newTopicId(random: Random): Uuid {
  for (;;) {
    const id = Buffer.from(random.bytes(16)).toString('base64url')
    if (!id.startsWith('-') && id !== ZERO_UUID) return id
  }
}

/** What the new partitions of one topic are. */
export function decideCreatePartitions(image: MetadataImage, spec: CreatePartitionsSpec, random: Random): Decision<PartitionImage[]> {
  const topic = image.topics.get(spec.name)
  if (!topic) return refuse(errors.UNKNOWN_TOPIC_OR_PARTITION.code, null)
  const current = topic.partitions.length
  if (spec.count === current) return refuse(errors.INVALID_PARTITIONS.code, `Topic already has ${current} partition(s).`)
  if (spec.count < current) {
    return refuse(
      errors.INVALID_PARTITIONS.code,
      `The topic ${spec.name} currently has ${current} partition(s); ${spec.count} would not be an increase.`,
    )
  }
  const additional = spec.count - current
  if (additional > MAX_PARTITIONS_PER_REQUEST) {
    return refuse(errors.POLICY_VIOLATION.code, 'Excessively large number of additional partitions per request.')
  }
  const factor = topic.partitions[0]!.replicas.length
  if (!spec.assignments) return placeNew(image, current, additional, factor, random)
  if (spec.assignments.length !== additional) {
    return refuse(
      errors.INVALID_REPLICA_ASSIGNMENT.code,
      `Attempted to add ${additional} additional partition(s), but only ${spec.assignments.length} assignment(s) were specified.`,
    )
  }
  return assignNew(image, current, factor, spec.assignments)
}

function assignNew(
  image: MetadataImage,
  first: number,
  factor: number,
  assignments: NonNullable<CreatePartitionsSpec['assignments']>,
): Decision<PartitionImage[]> {
  const added: PartitionImage[] = []
  for (const { brokerIds } of assignments) {
    const partition = first + added.length
    const problem = assignmentProblem(image, brokerIds, factor)
    if (problem) return refuse(errors.INVALID_REPLICA_ASSIGNMENT.code, problem)
    const state = newPartition(partition, brokerIds, (id) => isUsable(image, id))
    if (state.leader === -1) return refuse(errors.INVALID_REPLICA_ASSIGNMENT.code, allFenced(partition))
    added.push(state)
  }
  return { kind: 'planned', plan: added }
}

export function createTopicOutcome(spec: CreateTopicSpec, decision: Decision<TopicPlan>): CreateTopicOutcome {
  if (decision.kind === 'refused')
    return { name: spec.name, topicId: ZERO_UUID, numPartitions: -1, replicationFactor: -1, ...decision.refusal }
  const { topic } = decision.plan
  return {
    name: topic.name,
    topicId: topic.id,
    numPartitions: topic.partitions.length,
    replicationFactor: topic.partitions[0]!.replicas.length,
    errorCode: errors.NONE.code,
    errorMessage: null,
  }
}

export interface TopicRef {
  readonly name: string | null
  readonly topicId: Uuid | null
}

export interface DeleteDecision {
  readonly name: string | null
  readonly topicId: Uuid
  readonly decision: Decision<TopicImage>
}

/** One answer per reference, in order; a topic named twice is refused both times. */
export function decideDeleteTopics(image: MetadataImage, refs: readonly TopicRef[], deleteEnabled: boolean): DeleteDecision[] {
  const names = duplicatesOf(refs.flatMap((ref) => (ref.name === null ? [] : [ref.name])))
  const ids = duplicatesOf(refs.flatMap((ref) => (hasId(ref) ? [ref.topicId!] : [])))
  const byId = new Set(refs.flatMap((ref) => (hasId(ref) && ref.name === null ? [ref.topicId!] : [])))
  return refs.map((ref) => {
    const topicId = hasId(ref) ? ref.topicId! : ZERO_UUID
    const answer = (decision: Decision<TopicImage>): DeleteDecision => ({ name: ref.name, topicId, decision })
    if (!deleteEnabled) return answer(refuse(errors.TOPIC_DELETION_DISABLED.code, null))
    if (ref.name !== null && hasId(ref))
      return answer(refuse(errors.INVALID_REQUEST.code, 'You may not specify both topic name and topic id.'))
    if (ref.name === null && !hasId(ref)) return answer(refuse(errors.INVALID_REQUEST.code, 'Neither topic name nor id were specified.'))
    if (ref.name !== null && names.has(ref.name)) return answer(refuse(errors.INVALID_REQUEST.code, 'Duplicate topic name.'))
    if (hasId(ref) && ids.has(topicId)) return answer(refuse(errors.INVALID_REQUEST.code, 'Duplicate topic id.'))
    return decideDelete(image, ref, topicId, byId)
  })
}

function decideDelete(image: MetadataImage, ref: TopicRef, topicId: Uuid, alsoById: ReadonlySet<Uuid>): DeleteDecision {
  const name = ref.name ?? image.topicNames.get(topicId)
  const topic = name === undefined ? undefined : image.topics.get(name)
  if (!topic) {
    const code = ref.name === null ? errors.UNKNOWN_TOPIC_ID.code : errors.UNKNOWN_TOPIC_OR_PARTITION.code
    return { name: ref.name, topicId, decision: refuse(code, null) }
  }
  if (ref.name !== null && alsoById.has(topic.id)) {
    return {
      name: ref.name,
      topicId,
      decision: refuse(errors.INVALID_REQUEST.code, 'The provided topic name maps to an ID that was already supplied.'),
    }
  }
  return { name: topic.name, topicId: topic.id, decision: { kind: 'planned', plan: topic } }
}

function hasId(ref: TopicRef): boolean {
  return ref.topicId !== null && ref.topicId !== ZERO_UUID
}
