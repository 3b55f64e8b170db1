// The partitions of a group's member as they come and go with rebalances, and what the user is told of it, in the order of Java's consumer:
// what is consumed is committed, the listener hears of the loss, then they are gone; new ones are there before the listener hears of them.

import type { TopicPartition } from '../../model/topic-partition.js'
import type { Cluster } from '../cluster/cluster.js'
import type { RebalanceProtocol } from './assignors/assignor.js'
import type { ConsumerOptions } from './settings.js'
import { keyOf, type SubscriptionState } from './subscription.js'

export class OwnedPartitions {
  readonly #cluster: Cluster
  readonly #subscription: SubscriptionState
  readonly #listener: ConsumerOptions['listener']
  readonly #beforeRevoke: () => Promise<void>

  constructor(cluster: Cluster, subscription: SubscriptionState, listener: ConsumerOptions['listener'], beforeRevoke: () => Promise<void>) {
    this.#cluster = cluster
    this.#subscription = subscription
    this.#listener = listener
    this.#beforeRevoke = beforeRevoke
  }

  get isEmpty(): boolean {
    return this.#subscription.size === 0
  }

  /** The member was removed while it held them: somebody else may have them already. */
  async lose(): Promise<void> {
    const owned = this.#subscription.list()
    this.#subscription.replace([], this.#now())
    const listener = this.#listener
    if (owned.length > 0) await (listener.onPartitionsLost ? listener.onPartitionsLost(owned) : listener.onPartitionsRevoked?.(owned))
  }

  /** Eager members give everything up before they join; cooperative ones what they do not subscribe to any more. */
  async giveUpBeforeJoin(protocol: RebalanceProtocol): Promise<void> {
    if (protocol === 'eager') return this.giveUpAll()
    const topics = this.#subscription.topics
    await this.#keep(({ topic }) => topics.has(topic))
  }

  async giveUpAll(): Promise<void> {
    await this.#keep(() => false)
  }

  /** True: some had to be given up for it. */
  async install(assignment: readonly TopicPartition[]): Promise<boolean> {
    const wanted = new Set(assignment.map((p) => keyOf(p.topic, p.partition)))
    const before = new Set(this.#subscription.list().map((p) => keyOf(p.topic, p.partition)))
    const gaveUp = await this.#keep((p) => wanted.has(keyOf(p.topic, p.partition)))
    const added = assignment.filter((p) => !before.has(keyOf(p.topic, p.partition)))
    this.#cluster.track(assignment.map(({ topic }) => topic))
    this.#subscription.replace(assignment, this.#now())
    await this.#listener.onPartitionsAssigned?.(added)
    return gaveUp
  }

  async #keep(stays: (p: TopicPartition) => boolean): Promise<boolean> {
    const owned = this.#subscription.list()
    const gone = owned.filter((p) => !stays(p))
    if (gone.length === 0) return false
    await this.#beforeRevoke()
    await this.#listener.onPartitionsRevoked?.(gone)
    this.#subscription.replace(owned.filter(stays), this.#now())
    return true
  }

  #now(): number {
    return this.#cluster.env.clock.monotonic()
  }
}
