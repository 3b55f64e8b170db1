// The acting side of partitions: AlterPartition, elections, reassignments, reports of replicas that failed, the
// balance of leaders. Part of the acting controller, on the thread coordinator. AlterPartition requests that wait for
// the queue are taken together: one sequence of writes serves as many leaders and partitions as there are.

import { errors } from '../model/errors.js'
import { decideAlterPartition, type AlterPartitionDecision } from './alter-partition.js'
import type {
  AlteredPartition,
  AlterPartitionItem,
  AlterPartitionRequest,
  AlterPartitionResult,
  Outcome,
  PartitionOutcome,
  ReassignmentSpec,
  ReassignmentView,
  ReplicaReport,
  TopicPartitions,
} from './controller-api.js'
import { OK, type ControllerCore } from './controller-core.js'
import { decideElection, electionOutcome, ElectionType } from './election-decisions.js'
import type { PartitionImage, TopicImage } from './image.js'
import { contextFor, planRebalance, planReplicaReport, type TopicUpdate } from './partition-plans.js'
import { decideReassignment, isReassigning } from './reassignment.js'
import type { Decision } from './topic-decisions.js'

interface Waiting {
  readonly request: AlterPartitionRequest
  resolve(result: AlterPartitionResult): void
  reject(error: Error): void
}

/** New states by topic and partition, on top of the image: a later decision of a batch sees the earlier ones. */
class Overlay {
  readonly #topics = new Map<TopicImage, Map<number, PartitionImage>>()

  state(topic: TopicImage, partition: number): PartitionImage | undefined {
    return this.#topics.get(topic)?.get(partition) ?? topic.partitions[partition]
  }

  set(topic: TopicImage, state: PartitionImage): void {
    if (state === this.state(topic, state.partition)) return
    const states = this.#topics.get(topic)
    if (states) states.set(state.partition, state)
    else this.#topics.set(topic, new Map([[state.partition, state]]))
  }

  get updates(): TopicUpdate[] {
    return [...this.#topics].map(([topic, states]) => ({ topic, states: [...states.values()] }))
  }
}

export class PartitionActions {
  readonly #core: ControllerCore
  #waiting: Waiting[] = []

  constructor(core: ControllerCore) {
    this.#core = core
  }

  alterPartition(request: AlterPartitionRequest): Promise<AlterPartitionResult> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject })
      if (this.#waiting.length > 1) return
      this.#core
        .enqueue(() => this.#alterWaiting())
        .catch((error: Error) => {
          for (const waiting of this.#waiting.splice(0)) waiting.reject(error)
        })
    })
  }

  async #alterWaiting(): Promise<void> {
    const taken = this.#waiting
    this.#waiting = []
    try {
      const overlay = new Overlay()
      const decided = taken.map(({ request }) => this.#decide(request, overlay))
      const written = await this.#write(overlay.updates)
      taken.forEach(({ request, resolve }, i) => resolve(resultOf(request, decided[i]!, written)))
    } catch (error) {
      for (const { reject } of taken) reject(error as Error)
    }
  }

  /** A number: the whole request is refused. */
  #decide({ brokerId, brokerEpoch, partitions }: AlterPartitionRequest, overlay: Overlay): number | AlterPartitionDecision[] {
    const { image, rules } = this.#core
    if (image.brokers.get(brokerId)?.epoch !== brokerEpoch) return errors.STALE_BROKER_EPOCH.code
    return partitions.map((item) => {
      const topic = image.topics.get(image.topicNames.get(item.topicId) ?? '')
      if (!topic) return { errorCode: errors.UNKNOWN_TOPIC_ID.code, state: null }
      const state = overlay.state(topic, item.partition)
      const decision = decideAlterPartition(image, brokerId, item, state, contextFor(image, topic.name, rules))
      if (decision.state && decision.state !== state) overlay.set(topic, decision.state)
      return decision
    })
  }

  #write(updates: readonly TopicUpdate[]): Promise<Outcome> {
    if (updates.length === 0) return Promise.resolve(OK)
    const { writer } = this.#core
    return this.#core.commit(() => writer.writeAll(writer.bucketOps(updates)))
  }

  electLeaders(
    type: number,
    partitions: readonly { readonly topic: string; readonly partition: number }[] | null,
  ): Promise<PartitionOutcome[]> {
    return this.#core.enqueue(async () => {
      const overlay = new Overlay()
      const asked = partitions ?? this.#leaderless(type)
      const decided = asked.map(({ topic: name, partition }) => {
        const topic = this.#core.image.topics.get(name)
        const state = topic && overlay.state(topic, partition)
        const context = contextFor(this.#core.image, name, this.#core.rules)
        const decision = decideElection(state, `${name}-${partition}`, type, context)
        if (decision.kind === 'planned') overlay.set(topic!, decision.plan)
        return { topic: name, partition, decision }
      })
      const written = await this.#write(overlay.updates)
      return decided.map(({ topic, partition, decision }) => ({ topic, partition, ...outcomeOf(electionOutcome(decision), written) }))
    })
  }

  /** Those for which an election of this type would not be ELECTION_NOT_NEEDED. */
  #leaderless(type: number): { topic: string; partition: number }[] {
    return [...this.#core.image.topics.values()].flatMap((topic) =>
      topic.partitions
        .filter((state) => (type === ElectionType.preferred ? state.leader !== state.replicas[0] : state.leader === -1))
        .map(({ partition }) => ({ topic: topic.name, partition })),
    )
  }

  alterPartitionReassignments(specs: readonly ReassignmentSpec[], allowReplicationFactorChange: boolean): Promise<PartitionOutcome[]> {
    return this.#core.enqueue(async () => {
      const { image, rules } = this.#core
      const overlay = new Overlay()
      const decided = specs.map((spec): Decision<PartitionImage> => {
        const topic = image.topics.get(spec.topic)
        const decision = decideReassignment(image, topic, spec, allowReplicationFactorChange, contextFor(image, spec.topic, rules))
        if (decision.kind === 'planned') overlay.set(topic!, decision.plan)
        return decision
      })
      const written = await this.#write(overlay.updates)
      return specs.map(({ topic, partition }, i) => ({ topic, partition, ...outcomeOf(electionOutcome(decided[i]!), written) }))
    })
  }

  listPartitionReassignments(
    partitions: readonly { readonly topic: string; readonly partition: number }[] | null,
  ): Promise<ReassignmentView[]> {
    return this.#core.enqueue(() => {
      const { topics } = this.#core.image
      const all = (): { topic: string; partition: number }[] =>
        [...topics.values()].flatMap(({ name, partitions: states }) => states.map(({ partition }) => ({ topic: name, partition })))
      return Promise.resolve(
        (partitions ?? all()).flatMap(({ topic, partition }) => {
          const state = topics.get(topic)?.partitions[partition]
          if (!state || !isReassigning(state)) return []
          const { replicas, addingReplicas, removingReplicas } = state
          return [{ topic, partition, replicas, addingReplicas, removingReplicas }]
        }),
      )
    })
  }

  reportReplicas({ brokerId, brokerEpoch, offline, online, damaged = [], full = [] }: ReplicaReport): Promise<Outcome> {
    return this.#core.enqueue(() => {
      const { image, rules } = this.#core
      if (image.brokers.get(brokerId)?.epoch !== brokerEpoch) {
        return Promise.resolve({ errorCode: errors.STALE_BROKER_EPOCH.code, errorMessage: null })
      }
      const news = { offline: byTopic(offline), online: byTopic(online), damaged: byTopic(damaged), full: byTopic(full) }
      return this.#write(planReplicaReport(image, rules, brokerId, news))
    })
  }

  /** Leadership goes back to preferred replicas where a broker leads too little of what it should. */
  rebalance(percentage: number): Promise<Outcome> {
    return this.#core.enqueue(() => this.#write(planRebalance(this.#core.image, this.#core.rules, percentage)))
  }
}

function byTopic(list: readonly TopicPartitions[]): Map<string, Set<number>> {
  return new Map(list.map(({ topicId, partitions }) => [topicId, new Set(partitions)]))
}

/** What was decided, unless it could not be written. */
function outcomeOf(decided: Outcome, written: Outcome): Outcome {
  return decided.errorCode === errors.NONE.code ? written : decided
}

function resultOf(request: AlterPartitionRequest, decided: number | AlterPartitionDecision[], written: Outcome): AlterPartitionResult {
  if (typeof decided === 'number') return { errorCode: decided, partitions: [] }
  if (written.errorCode === errors.NOT_CONTROLLER.code) return { errorCode: written.errorCode, partitions: [] }
  return { errorCode: errors.NONE.code, partitions: request.partitions.map((item, i) => altered(item, decided[i]!, written)) }
}

function altered(item: AlterPartitionItem, { errorCode, state }: AlterPartitionDecision, written: Outcome): AlteredPartition {
  const { topicId, partition } = item
  return {
    topicId,
    partition,
    errorCode: errorCode === errors.NONE.code ? written.errorCode : errorCode,
    leader: state?.leader ?? -1,
    leaderEpoch: state?.leaderEpoch ?? -1,
    isr: state?.isr ?? [],
    partitionEpoch: state?.partitionEpoch ?? -1,
    recovering: state?.recovering ?? false,
  }
}
