// What this node has to tell the controller of its replicas: which cannot be used, and which can again. A report is kept until the metadata
// says the same, whatever happens to the call: a node that has no controller or no registration yet tells it later. Runs on the thread coordinator.

import type { Outcome, ReplicaReport, TopicPartitions } from '../controller/controller-api.js'
import type { MetadataImage } from '../controller/image.js'
import type { Env, Timer } from '../env/env.js'
import { errors } from '../model/errors.js'
import type { Uuid } from '../model/topic-partition.js'

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5000

export interface ReplicaReportsOptions {
  readonly env: Env
  readonly nodeId: number
  image(): MetadataImage
  /** Of the registration that stands; null: none does. */
  brokerEpoch(): bigint | null
  send(report: ReplicaReport): Promise<Outcome>
}

interface Wish {
  readonly topicId: Uuid
  readonly partition: number
  readonly offline: boolean
}

export class ReplicaReports {
  private readonly options: ReplicaReportsOptions
  /** By topic id and partition: the last word of whoever has the log. */
  private readonly wishes = new Map<string, Wish>()
  private pauseMs = FIRST_PAUSE_MS
  private again: Timer | undefined
  private sending = false
  private closed = false

  constructor(options: ReplicaReportsOptions) {
    this.options = options
  }

  /** The log of a replica here failed or is damaged (`offline`), or is sound. */
  say(topic: string, partition: number, offline: boolean): void {
    const topicId = this.options.image().topics.get(topic)?.id
    if (topicId === undefined) return
    this.wishes.set(`${topicId}/${partition}`, { topicId, partition, offline })
    this.look()
  }

  /** The metadata changed, or there is a registration. */
  look(): void {
    if (this.closed || this.sending || this.again) return
    this.forgetWhatIsSo()
    const brokerEpoch = this.options.brokerEpoch()
    if (this.wishes.size === 0) this.pauseMs = FIRST_PAUSE_MS
    else if (brokerEpoch !== null) this.send(brokerEpoch)
    else this.lookLater()
  }

  close(): void {
    this.closed = true
    this.again?.cancel()
  }

  private forgetWhatIsSo(): void {
    const { image, nodeId } = this.options
    const { topics, topicNames } = image()
    for (const [key, { topicId, partition, offline }] of this.wishes) {
      const state = topics.get(topicNames.get(topicId) ?? '')?.partitions[partition]
      if (!state?.replicas.includes(nodeId) || state.offline.includes(nodeId) === offline) this.wishes.delete(key)
    }
  }

  private send(brokerEpoch: bigint): void {
    const { nodeId, env } = this.options
    const wishes = [...this.wishes.values()]
    const report = { brokerId: nodeId, brokerEpoch, offline: listed(wishes, true), online: listed(wishes, false) }
    this.sending = true
    this.options
      .send(report)
      .then(({ errorCode }) => errorCode)
      .catch((error: Error) => {
        env.logger.warn(
          { error: error.message },
          'the controller did not hear of replicas that failed or are sound again; it is told again',
        )
        return errors.NOT_CONTROLLER.code
      })
      .then((errorCode) => {
        this.sending = false
        // Whatever was answered: what counts is what the metadata says. It is there when the call has resolved.
        if (errorCode === errors.NONE.code) this.look()
        else this.lookLater()
      })
      .catch((error: Error) => env.logger.error({ error: error.message }, 'reports of replicas ended'))
  }

  private lookLater(): void {
    if (this.closed) return
    this.again = this.options.env.timers.after(this.pauseMs, () => {
      this.again = undefined
      this.look()
    })
    this.pauseMs = Math.min(LONGEST_PAUSE_MS, this.pauseMs * 2)
  }
}

function listed(wishes: readonly Wish[], offline: boolean): TopicPartitions[] {
  const byTopic = new Map<Uuid, number[]>()
  for (const wish of wishes) {
    if (wish.offline !== offline) continue
    const partitions = byTopic.get(wish.topicId)
    if (partitions) partitions.push(wish.partition)
    else byTopic.set(wish.topicId, [wish.partition])
  }
  return [...byTopic].map(([topicId, partitions]) => ({ topicId, partitions }))
}
