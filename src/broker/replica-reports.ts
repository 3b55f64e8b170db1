// What this node has to tell the controller of its replicas: which cannot be used, and which can again. A report is kept until the metadata
// says the same, whatever happens to the call: a node that has no controller or no registration yet tells it later. That a replica's disk is
// full goes along once: whoever finds it full says so again. Runs on the thread coordinator.

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

interface Replica {
  readonly topicId: Uuid
  readonly partition: number
}

interface Wish extends Replica {
  readonly offline: boolean
}

export class ReplicaReports {
  private readonly options: ReplicaReportsOptions
  /** By topic id and partition: the last word of whoever has the log. */
  private readonly wishes = new Map<string, Wish>()
  /** Found full since the last report. */
  private readonly found = new Map<string, Replica>()
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

  /** The disk of a replica here has no space. Only where others are in sync with it somebody can go on. */
  full(topic: string, partition: number): void {
    const found = this.options.image().topics.get(topic)
    const isr = found?.partitions[partition]?.isr ?? []
    if (found === undefined || isr.length < 2 || !isr.includes(this.options.nodeId)) return
    this.found.set(`${found.id}/${partition}`, { topicId: found.id, partition })
    this.look()
  }

  /** The metadata changed, or there is a registration. */
  look(): void {
    if (this.closed || this.sending || this.again) return
    this.forgetWhatIsSo()
    const brokerEpoch = this.options.brokerEpoch()
    if (this.wishes.size + this.found.size === 0) this.pauseMs = FIRST_PAUSE_MS
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
    const [offline, online] = [wishes.filter((wish) => wish.offline), wishes.filter((wish) => !wish.offline)]
    const full = [...this.found.values()]
    this.found.clear()
    const report = { brokerId: nodeId, brokerEpoch, offline: byTopic(offline), online: byTopic(online), full: byTopic(full) }
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

function byTopic(replicas: readonly Replica[]): TopicPartitions[] {
  const topics = new Map<Uuid, number[]>()
  for (const { topicId, partition } of replicas) {
    const partitions = topics.get(topicId)
    if (partitions) partitions.push(partition)
    else topics.set(topicId, [partition])
  }
  return [...topics].map(([topicId, partitions]) => ({ topicId, partitions }))
}
