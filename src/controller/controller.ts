// The acting controller: what an elected node runs until it resigns. It follows the image of its node's view, makes
// partitions right when brokers or settings change, and answers the ControllerApi. On the thread coordinator. It
// knows no Kafka wire, no logs, and no elections (candidate.ts).

import type { Timer } from '../env/env.js'
import { BrokerActions } from './broker-actions.js'
import type { ControllerApi } from './controller-api.js'
import { ControllerCore, type ControllerOptions } from './controller-core.js'
import type { MetadataChange, MetadataImage } from './image.js'
import { PartitionActions } from './partition-actions.js'
import { TopicActions } from './topic-actions.js'

export type { ControllerOptions } from './controller-core.js'

export class Controller implements ControllerApi {
  readonly #core: ControllerCore
  readonly #topics: TopicActions
  readonly #partitions: PartitionActions
  readonly #brokers: BrokerActions
  readonly #stopListening: () => void
  #rebalance: Timer | null = null
  #evaluationQueued = false

  private constructor(options: ControllerOptions) {
    this.#core = new ControllerCore(options)
    this.#topics = new TopicActions(this.#core)
    this.#partitions = new PartitionActions(this.#core)
    this.#brokers = new BrokerActions(this.#core)
    this.#stopListening = options.view.onChange((_, changes) => this.#follow(changes))
  }

  /**
   * For a view that has reached the election. Reads nothing: the view is the state. Writes what a predecessor left to
   * be done, and nothing where it left nothing; what is asked of it meanwhile waits in its queue.
   */
  static start(options: ControllerOptions): Controller {
    const controller = new Controller(options)
    controller.#report(controller.#brokers.removeLeftovers())
    controller.#report(controller.#brokers.evaluate())
    controller.#scheduleRebalance()
    return controller
  }

  get image(): MetadataImage {
    return this.#core.image
  }

  get resigned(): boolean {
    return this.#core.resigned
  }

  #follow(changes: readonly MetadataChange[]): void {
    const matters = changes.some(
      (change) =>
        change.kind === 'broker' ||
        change.kind === 'broker-gone' ||
        (change.kind === 'config' && (change.resource === 'topic' || change.resource === 'broker')),
    )
    if (!matters || this.#evaluationQueued) return
    this.#evaluationQueued = true
    this.#report(
      this.#core.enqueue(() => {
        this.#evaluationQueued = false
        return Promise.resolve()
      }),
    )
    this.#report(this.#brokers.evaluate())
  }

  #report(task: Promise<unknown>): void {
    task.catch((error: Error) => {
      if (!this.#core.resigned) this.#core.env.logger.error({ error: error.message }, 'the controller could not act on a change')
    })
  }

  #scheduleRebalance(): void {
    const balance = this.#core.rules.leaderBalance?.()
    // Looked at again at the next turn: the settings are dynamic.
    const pause = balance?.intervalMs ?? 60_000
    this.#rebalance = this.#core.env.timers.after(pause, () => {
      if (this.#core.resigned) return
      const now = this.#core.rules.leaderBalance?.()
      if (now) this.#report(this.#partitions.rebalance(now.percentage))
      this.#scheduleRebalance()
    })
  }

  createTopics: ControllerApi['createTopics'] = (specs, validateOnly) => this.#topics.createTopics(specs, validateOnly)
  deleteTopics: ControllerApi['deleteTopics'] = (topics) => this.#topics.deleteTopics(topics)
  createPartitions: ControllerApi['createPartitions'] = (specs, validateOnly) => this.#topics.createPartitions(specs, validateOnly)
  alterConfigs: ControllerApi['alterConfigs'] = (specs, validateOnly) => this.#topics.alterConfigs(specs, validateOnly)
  allocateProducerIds: ControllerApi['allocateProducerIds'] = () => this.#brokers.allocateProducerIds()
  alterPartition: ControllerApi['alterPartition'] = (request) => this.#partitions.alterPartition(request)
  electLeaders: ControllerApi['electLeaders'] = (type, partitions) => this.#partitions.electLeaders(type, partitions)
  alterPartitionReassignments: ControllerApi['alterPartitionReassignments'] = (specs, allowChange) =>
    this.#partitions.alterPartitionReassignments(specs, allowChange)
  listPartitionReassignments: ControllerApi['listPartitionReassignments'] = (partitions) =>
    this.#partitions.listPartitionReassignments(partitions)
  controlledShutdown: ControllerApi['controlledShutdown'] = (id, epoch) => this.#brokers.controlledShutdown(id, epoch)
  reportReplicas: ControllerApi['reportReplicas'] = (report) => this.#partitions.reportReplicas(report)
  unregisterBroker: ControllerApi['unregisterBroker'] = (id) => this.#brokers.unregisterBroker(id)
  updateFeatures: ControllerApi['updateFeatures'] = (updates, validateOnly) => this.#brokers.updateFeatures(updates, validateOnly)

  /** Stops acting at once: calls that wait are refused. */
  resign(): void {
    this.#stopListening()
    this.#rebalance?.cancel()
    this.#core.resign()
  }

  /** Resolves when every change asked for so far is done; then it acts no more. */
  async close(): Promise<void> {
    await this.#core.idle()
    this.resign()
  }
}
