// The acting side of topics, their partitions' number, and configs: decide on the image, write, answer. Part of the
// acting controller, on the thread coordinator.

import type { MultiOp } from '../ensemble/znode-client.js'
import { errors } from '../model/errors.js'
import { ZERO_UUID } from '../model/topic-partition.js'
import { decideAlterConfigs } from './config-decisions.js'
import type { AlterConfigSpec, CreatePartitionsSpec, CreateTopicOutcome, CreateTopicSpec, Outcome } from './controller-api.js'
import { OK, type ControllerCore } from './controller-core.js'
import { configKey, type TopicImage } from './image.js'
import { bucketsOf } from './metadata-writer.js'
import { planForgetElr } from './partition-plans.js'
import { isStoredConfigKind, type StoredConfigKind } from './paths.js'
import {
  createTopicOutcome,
  decideCreatePartitions,
  decideCreateTopics,
  decideDeleteTopics,
  duplicatesOf,
  type Decision,
  type TopicPlan,
  type TopicRef,
} from './topic-decisions.js'

const MIN_ISR = 'min.insync.replicas'

export class TopicActions {
  readonly #core: ControllerCore

  constructor(core: ControllerCore) {
    this.#core = core
  }

  createTopics(specs: readonly CreateTopicSpec[], validateOnly: boolean): Promise<CreateTopicOutcome[]> {
    return this.#core.enqueue(() => {
      const { image, rules, env } = this.#core
      const decisions = decideCreateTopics(image, specs, rules, env.random)
      return Promise.all(specs.map((spec, i) => this.#createTopic(spec, decisions[i]!, validateOnly)))
    })
  }

  async #createTopic(spec: CreateTopicSpec, decision: Decision<TopicPlan>, validateOnly: boolean): Promise<CreateTopicOutcome> {
    const outcome = createTopicOutcome(spec, decision)
    if (validateOnly || decision.kind === 'refused') return outcome
    const written = await this.#core.commit(() => this.#core.writer.createTopic(decision.plan))
    if (written.errorCode === errors.NONE.code) return outcome
    return { ...outcome, topicId: ZERO_UUID, numPartitions: -1, replicationFactor: -1, ...written }
  }

  deleteTopics(topics: readonly TopicRef[]): Promise<(Outcome & { name: string | null; topicId: string })[]> {
    return this.#core.enqueue(() => {
      const decisions = decideDeleteTopics(this.#core.image, topics, this.#core.rules.defaults().deleteTopicEnable ?? true)
      return Promise.all(
        decisions.map(async ({ name, topicId, decision }) => {
          const outcome = decision.kind === 'refused' ? decision.refusal : await this.#deleteTopic(decision.plan)
          return { name, topicId, ...outcome }
        }),
      )
    })
  }

  #deleteTopic(topic: TopicImage): Promise<Outcome> {
    const hasConfigs = this.#core.image.configs.has(configKey('topic', topic.name))
    return this.#core.commit(() => this.#core.writer.deleteTopic(topic.name, topic.id, bucketsOf(topic.partitions).length, hasConfigs))
  }

  createPartitions(specs: readonly CreatePartitionsSpec[], validateOnly: boolean): Promise<(Outcome & { name: string })[]> {
    return this.#core.enqueue(() => {
      const duplicates = duplicatesOf(specs.map((spec) => spec.name))
      return Promise.all(
        specs.map(async (spec) => {
          if (duplicates.has(spec.name)) {
            return { name: spec.name, errorCode: errors.INVALID_REQUEST.code, errorMessage: 'Duplicate topic name.' }
          }
          return { name: spec.name, ...(await this.#createPartitions(spec, validateOnly)) }
        }),
      )
    })
  }

  async #createPartitions(spec: CreatePartitionsSpec, validateOnly: boolean): Promise<Outcome> {
    const decision = decideCreatePartitions(this.#core.image, spec, this.#core.env.random)
    if (decision.kind === 'refused') return decision.refusal
    if (validateOnly) return OK
    const topic = this.#core.image.topics.get(spec.name)!
    return this.#core.commit(() => this.#core.writer.growTopic(topic, decision.plan))
  }

  alterConfigs(specs: readonly AlterConfigSpec[], validateOnly: boolean): Promise<Outcome[]> {
    return this.#core.enqueue(async () => {
      const outcomes: Outcome[] = []
      for (const spec of specs) outcomes.push(await this.#alterConfigs(spec, validateOnly))
      return outcomes
    })
  }

  async #alterConfigs(spec: AlterConfigSpec, validateOnly: boolean): Promise<Outcome> {
    const { image, rules, writer } = this.#core
    const decision = decideAlterConfigs(image, spec, rules)
    if (decision.kind === 'refused') return decision.refusal
    const before = image.configs.get(configKey(spec.resource, spec.name))
    const { resource } = spec
    if (validateOnly || !isStoredConfigKind(resource) || sameValues(before, decision.plan)) return OK
    // Nobody is eligible under a min ISR that is not the one his data was committed under: that ends BEFORE it changes.
    const forgotten = before?.get(MIN_ISR) === decision.plan.get(MIN_ISR) ? [] : this.#forgetElr(resource, spec.name)
    const unsynced = resource === 'topic' ? this.#endOfSyncing(spec.name, decision.plan) : []
    return this.#core.commit(() => writer.writeAll([...forgotten, ...unsynced, ...writer.configOps(resource, spec.name, decision.plan)]))
  }

  /** That a power loss costs a topic nothing ends BEFORE its promise of the disk does. It does not begin again with it: what is there is not synced. */
  #endOfSyncing(name: string, overrides: ReadonlyMap<string, string>): MultiOp[] {
    const { image, rules, writer } = this.#core
    const topic = image.topics.get(name)!
    return topic.alwaysSynced && !rules.promisesDisk?.(overrides) ? [writer.notAlwaysSyncedOp(topic)] : []
  }

  #forgetElr(resource: StoredConfigKind, name: string) {
    const { image, rules, writer } = this.#core
    const topic = image.topics.get(name)
    const topics = resource === 'topic' ? (topic ? [topic] : []) : resource === 'broker' ? [...image.topics.values()] : []
    return writer.bucketOps(planForgetElr(image, rules, topics))
  }
}

function sameValues(before: ReadonlyMap<string, string> | undefined, after: ReadonlyMap<string, string>): boolean {
  if ((before?.size ?? 0) !== after.size) return false
  for (const [name, value] of after) if (before!.get(name) !== value) return false
  return true
}
