// What this node has to tell the controller of its replicas: which cannot be used, and which can again. A report is kept until the metadata
// says the same, whatever happens to the call: a node that has no controller or no registration yet tells it later. That a replica's disk is
// full goes along once: whoever finds it full says so again. Runs on the thread coordinator.

import type { Outcome, ReplicaReport, TopicPartitions } from '../controller/controller-api.js'
import type { MetadataImage, PartitionImage } from '../controller/image.js'
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

/** `failed`: its log is out of service until it is opened again. `damaged`: it will be cut, and made whole by its leader. */
export type ReplicaCondition = 'sound' | 'failed' | 'damaged'

interface Replica {
  readonly topicId: Uuid
  readonly partition: number
}

interface Wish extends Replica {
  readonly condition: ReplicaCondition
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

  /** How it is with the log of a replica here from now on. */
  say(topic: string, partition: number, condition: ReplicaCondition): void {
    const topicId = this.options.image().topics.get(topic)?.id
    if (topicId === undefined) return
    this.wishes.set(`${topicId}/${partition}`, { topicId, partition, condition })
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
    const due = this.untold()
    const brokerEpoch = this.options.brokerEpoch()
    if (due.length + this.found.size === 0) this.pauseMs = FIRST_PAUSE_MS
    else if (brokerEpoch !== null) this.send(brokerEpoch, due)
    else this.lookLater()
  }

  close(): void {
    this.closed = true
    this.again?.cancel()
  }

  /**
   * What the metadata does not say. What it says is forgotten, but for damage: the controller may count on a replica that leaves the in-sync set
   * later, and does not know why it is marked.
   */
  private untold(): Wish[] {
    const { image, nodeId } = this.options
    const { topics, topicNames } = image()
    const due: Wish[] = []
    for (const [key, wish] of this.wishes) {
      const state = topics.get(topicNames.get(wish.topicId) ?? '')?.partitions[wish.partition]
      const isHere = state?.replicas.includes(nodeId) === true
      if (isHere && !isSo(state, nodeId, wish.condition)) due.push(wish)
      else if (!isHere || wish.condition !== 'damaged') this.wishes.delete(key)
    }
    return due
  }

  private send(brokerEpoch: bigint, wishes: readonly Wish[]): void {
    const { nodeId, env } = this.options
    const full = [...this.found.values()]
    this.found.clear()
    const report = {
      brokerId: nodeId,
      brokerEpoch,
      offline: byTopic(wishes.filter(({ condition }) => condition !== 'sound')),
      online: byTopic(wishes.filter(({ condition }) => condition === 'sound')),
      damaged: byTopic(wishes.filter(({ condition }) => condition === 'damaged')),
      full: byTopic(full),
    }
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

function isSo({ offline, elr, lastKnownElr }: PartitionImage, nodeId: number, condition: ReplicaCondition): boolean {
  if (condition === 'sound') return !offline.includes(nodeId)
  if (!offline.includes(nodeId)) return false
  return condition === 'failed' || !(elr.includes(nodeId) || lastKnownElr.includes(nodeId))
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
