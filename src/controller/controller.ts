// The controller of a cluster: holds the newest metadata image, decides changes on it (pure functions beside this
// file), makes them durable in the znode tree, and then tells its listeners. Runs on the thread coordinator. One
// change at a time: a decision always sees what the one before it wrote. It knows no Kafka wire and no logs.

import type { Env } from '../env/env.js'
import { ZkCode } from '../ensemble/tree/codes.js'
import { isZnodeError, readIfPresent, type MultiOp, type ZnodeClient } from '../ensemble/znode-client.js'
import { errors } from '../model/errors.js'
import { ZERO_UUID } from '../model/topic-partition.js'
import { decideAlterConfigs } from './config-decisions.js'
import type {
  AlterConfigSpec,
  ControllerApi,
  CreatePartitionsSpec,
  CreateTopicOutcome,
  CreateTopicSpec,
  MetadataListener,
  Outcome,
} from './controller-api.js'
import {
  applyDelta,
  configKey,
  type BrokerEndpoint,
  type BrokerImage,
  type MetadataChange,
  type MetadataImage,
  type TopicImage,
} from './image.js'
import { loadMetadata } from './loader.js'
import { bucketsOf, MetadataWriter } from './metadata-writer.js'
import { brokerPath, isStoredConfigKind, PRODUCER_ID_BLOCK } from './paths.js'
import type { ControllerRules } from './rules.js'
import { elect, finishInterrupted, raiseLeaderEpochs } from './start.js'
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
import { decodeProducerIdBlock, encodeBroker, encodeProducerIdBlock } from './znode-data.js'

export interface ControllerOptions {
  readonly client: ZnodeClient
  readonly env: Env
  readonly brokerId: number
  readonly rules: ControllerRules
  /** This broker's last life ended without a clean stop: what it leads goes on under new leader epochs. */
  readonly afterUncleanStop?: boolean
}

const PRODUCER_ID_BLOCK_SIZE = 1000
const OK: Outcome = { errorCode: errors.NONE.code, errorMessage: null }

export class Controller implements ControllerApi {
  readonly #client: ZnodeClient
  readonly #env: Env
  readonly #brokerId: number
  readonly #rules: ControllerRules
  readonly #writer: MetadataWriter
  readonly #listeners = new Set<MetadataListener>()
  #image: MetadataImage
  /** The queue of changes: settles after the newest one, never rejects. */
  #tail: Promise<unknown> = Promise.resolve()
  #producerIds: { next: number; version: number } | null = null

  private constructor(options: ControllerOptions, writer: MetadataWriter, image: MetadataImage) {
    this.#client = options.client
    this.#env = options.env
    this.#brokerId = options.brokerId
    this.#rules = options.rules
    this.#writer = writer
    this.#image = image
  }

  /** Lays the skeleton of znodes where it is missing, becomes controller under a new epoch, and loads the image. */
  static async open(options: ControllerOptions): Promise<Controller> {
    const { epoch, version, zxid } = await elect(options)
    const writer = new MetadataWriter(options.client, version)
    const loaded = await loadMetadata(options.client)
    await finishInterrupted(options, writer, loaded)
    const topics = options.afterUncleanStop ? await raiseLeaderEpochs(loaded.image.topics, options.brokerId, writer) : loaded.image.topics
    const image = { ...loaded.image, topics, zxid, controllerId: options.brokerId, controllerEpoch: epoch }
    return new Controller(options, writer, image)
  }

  get image(): MetadataImage {
    return this.#image
  }

  /** `listener` hears every change after this call; the image so far is `image`. Returns the way to stop. */
  onChange(listener: MetadataListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #publish(zxid: bigint, changes: readonly MetadataChange[]): void {
    if (changes.length === 0) return
    this.#image = applyDelta(this.#image, { zxid, changes })
    for (const listener of this.#listeners) listener(zxid, changes)
  }

  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    const run = this.#tail.then(task)
    this.#tail = run.catch(() => undefined)
    return run
  }

  /** Makes one planned change durable, publishes it, and answers; a failed write becomes the change's outcome. */
  async #commit(write: Promise<bigint>, changes: readonly MetadataChange[]): Promise<Outcome> {
    try {
      const zxid = await write
      this.#publish(zxid, changes)
      return OK
    } catch (error) {
      return failedWrite(error, this.#env)
    }
  }

  /** Registers this node's broker under its ephemeral znode, or replaces what it announces. Resolves with its broker epoch. */
  registerBroker(broker: { readonly endpoints: readonly BrokerEndpoint[]; readonly rack: string | null }): Promise<bigint> {
    return this.#enqueue(async () => {
      const path = brokerPath(this.#brokerId)
      const incarnation = Buffer.from(this.#env.random.bytes(12)).toString('base64url')
      const data = encodeBroker(broker.endpoints, broker.rack, incarnation, this.#env.clock.now())
      const stat = await this.#putEphemeral(path, data)
      const registered: BrokerImage = {
        id: this.#brokerId,
        epoch: stat.czxid,
        endpoints: broker.endpoints,
        rack: broker.rack,
        fenced: false,
      }
      this.#publish(stat.mzxid, [{ kind: 'broker', broker: registered }])
      return stat.czxid
    })
  }

  async #putEphemeral(path: string, data: Uint8Array) {
    const present = await readIfPresent(this.#client, path)
    if (!present) return (await this.#client.create2(path, data, { mode: 'ephemeral' })).stat
    if (present.stat.ephemeralOwner === this.#client.sessionId) return this.#client.setData(path, data)
    throw new Error(`broker id ${this.#brokerId} is registered by another session; two nodes may not share an id`)
  }

  createTopics(specs: readonly CreateTopicSpec[], validateOnly: boolean): Promise<CreateTopicOutcome[]> {
    return this.#enqueue(async () => {
      const decisions = decideCreateTopics(this.#image, specs, this.#rules, this.#env.random)
      return Promise.all(specs.map((spec, i) => this.#createTopic(spec, decisions[i]!, validateOnly)))
    })
  }

  async #createTopic(spec: CreateTopicSpec, decision: Decision<TopicPlan>, validateOnly: boolean): Promise<CreateTopicOutcome> {
    const outcome = createTopicOutcome(spec, decision)
    if (validateOnly || decision.kind === 'refused') return outcome
    const { topic, configs } = decision.plan
    const changes: MetadataChange[] = [{ kind: 'topic', topic }]
    if (configs.size > 0) changes.unshift({ kind: 'config', resource: 'topic', name: topic.name, values: configs })
    const written = await this.#commit(this.#writer.createTopic(decision.plan), changes)
    if (written.errorCode === errors.NONE.code) return outcome
    return { ...outcome, topicId: ZERO_UUID, numPartitions: -1, replicationFactor: -1, ...written }
  }

  deleteTopics(topics: readonly TopicRef[]): Promise<(Outcome & { name: string | null; topicId: string })[]> {
    return this.#enqueue(async () => {
      const decisions = decideDeleteTopics(this.#image, topics, this.#rules.defaults().deleteTopicEnable ?? true)
      return Promise.all(
        decisions.map(async ({ name, topicId, decision }) => {
          const outcome = decision.kind === 'refused' ? decision.refusal : await this.#deleteTopic(decision.plan)
          return { name, topicId, ...outcome }
        }),
      )
    })
  }

  #deleteTopic(topic: TopicImage): Promise<Outcome> {
    const hasConfigs = this.#image.configs.has(configKey('topic', topic.name))
    const changes: MetadataChange[] = [{ kind: 'topic-deleted', name: topic.name, id: topic.id }]
    if (hasConfigs) changes.push({ kind: 'config', resource: 'topic', name: topic.name, values: new Map() })
    return this.#commit(this.#writer.deleteTopic(topic.name, topic.id, bucketsOf(topic.partitions).length, hasConfigs), changes)
  }

  createPartitions(specs: readonly CreatePartitionsSpec[], validateOnly: boolean): Promise<(Outcome & { name: string })[]> {
    return this.#enqueue(async () => {
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
    const decision = decideCreatePartitions(this.#image, spec, this.#env.random)
    if (decision.kind === 'refused') return decision.refusal
    if (validateOnly) return OK
    const topic = this.#image.topics.get(spec.name)!
    const grown: TopicImage = { ...topic, partitions: [...topic.partitions, ...decision.plan] }
    return this.#commit(this.#writer.growTopic(topic, decision.plan), [{ kind: 'topic', topic: grown }])
  }

  alterConfigs(specs: readonly AlterConfigSpec[], validateOnly: boolean): Promise<Outcome[]> {
    return this.#enqueue(async () => {
      const outcomes: Outcome[] = []
      for (const spec of specs) outcomes.push(await this.#alterConfigs(spec, validateOnly))
      return outcomes
    })
  }

  async #alterConfigs(spec: AlterConfigSpec, validateOnly: boolean): Promise<Outcome> {
    const decision = decideAlterConfigs(this.#image, spec, this.#rules)
    if (decision.kind === 'refused') return decision.refusal
    const before = this.#image.configs.get(configKey(spec.resource, spec.name))
    if (validateOnly || !isStoredConfigKind(spec.resource) || sameValues(before, decision.plan)) return OK
    return this.#commit(this.#writer.setConfigs(spec.resource, spec.name, decision.plan, before !== undefined), [
      { kind: 'config', resource: spec.resource, name: spec.name, values: decision.plan },
    ])
  }

  allocateProducerIds(): Promise<{ readonly first: number; readonly count: number }> {
    return this.#enqueue(async () => {
      const ids = this.#producerIds ?? (await this.#lastProducerIds())
      const first = ids.next
      const last = first + PRODUCER_ID_BLOCK_SIZE - 1
      const data = encodeProducerIdBlock(this.#brokerId, first, last)
      // Forgotten until written: after a failure the znode is read again.
      this.#producerIds = null
      const op: MultiOp =
        ids.version === -1
          ? { kind: 'create', path: PRODUCER_ID_BLOCK, data }
          : { kind: 'setData', path: PRODUCER_ID_BLOCK, data, version: ids.version }
      const { results } = await this.#writer.write([op])
      this.#producerIds = { next: last + 1, version: results[0]!.stat!.version }
      return { first, count: PRODUCER_ID_BLOCK_SIZE }
    })
  }

  async #lastProducerIds(): Promise<{ next: number; version: number }> {
    const node = await readIfPresent(this.#client, PRODUCER_ID_BLOCK)
    if (!node) return { next: 0, version: -1 }
    return { next: decodeProducerIdBlock(node.data).last + 1, version: node.stat.version }
  }

  /** Resolves when every change asked for so far is done. The session is its owner's to close. */
  async close(): Promise<void> {
    await this.#tail
    this.#listeners.clear()
  }
}

function failedWrite(error: unknown, env: Env): Outcome {
  const message = error instanceof Error ? error.message : String(error)
  env.logger.error({ error: message }, 'a metadata change could not be written')
  // The epoch moved on: somebody else is controller now, and this change was not made.
  if (isZnodeError(error, ZkCode.badVersion)) return { errorCode: errors.NOT_CONTROLLER.code, errorMessage: null }
  return { errorCode: errors.UNKNOWN_SERVER_ERROR.code, errorMessage: message }
}

function sameValues(before: ReadonlyMap<string, string> | undefined, after: ReadonlyMap<string, string>): boolean {
  if ((before?.size ?? 0) !== after.size) return false
  for (const [name, value] of after) if (before!.get(name) !== value) return false
  return true
}
