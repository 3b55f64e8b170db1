// One broker's fetch session (KIP-227): after a full request only what changed is sent. Pure.
//
// sessionless (id 0, epoch 0: full) → id given by the broker, epoch 1, 2, … 2^31−1, 1 … → any session error: sessionless.

import type { Uuid } from '../../model/topic-partition.js'

export interface FetchTarget {
  readonly topic: string
  readonly topicId: Uuid
  readonly partition: number
  readonly currentLeaderEpoch: number
  readonly fetchOffset: number
  readonly partitionMaxBytes: number
}

interface TopicPart<P> {
  topic: string
  topicId: Uuid
  partitions: P[]
}

export interface SessionRequest {
  readonly sessionId: number
  readonly sessionEpoch: number
  readonly topics: readonly TopicPart<{ partition: number; currentLeaderEpoch: number; fetchOffset: number; partitionMaxBytes: number }>[]
  readonly forgottenTopicsData: readonly TopicPart<number>[]
}

const keyOf = (target: FetchTarget): string => `${target.topic}/${target.partition}`

export class FetchSession {
  #id = 0
  #epoch = 0
  #known = new Map<string, FetchTarget>()

  /** The request for exactly `targets`. Call once per request sent. */
  build(targets: readonly FetchTarget[]): SessionRequest {
    const next = new Map(targets.map((target) => [keyOf(target), target]))
    const before = this.#known
    this.#known = next
    if (this.#epoch === 0) {
      return { sessionId: this.#id, sessionEpoch: 0, topics: grouped(targets, entry), forgottenTopicsData: [] }
    }
    const changed = targets.filter((target) => !same(target, before.get(keyOf(target))))
    // A topic created anew has another id: its old partitions are forgotten under the old one.
    const forgotten = [...before].filter(([key, old]) => next.get(key)?.topicId !== old.topicId).map(([, old]) => old)
    return {
      sessionId: this.#id,
      sessionEpoch: this.#epoch,
      topics: grouped(changed, entry),
      forgottenTopicsData: grouped(forgotten, (target) => target.partition),
    }
  }

  /** The broker answered without a session error. */
  answered(sessionId: number): void {
    if (sessionId === 0) {
      this.reset()
      return
    }
    this.#epoch = sessionId === this.#id && this.#epoch > 0 ? (this.#epoch === 0x7fffffff ? 1 : this.#epoch + 1) : 1
    this.#id = sessionId
  }

  /** Start with a full request again. */
  reset(): void {
    this.#id = 0
    this.#epoch = 0
    this.#known.clear()
  }
}

function same(a: FetchTarget, b: FetchTarget | undefined): boolean {
  return (
    b !== undefined &&
    a.topicId === b.topicId &&
    a.fetchOffset === b.fetchOffset &&
    a.currentLeaderEpoch === b.currentLeaderEpoch &&
    a.partitionMaxBytes === b.partitionMaxBytes
  )
}

function entry(target: FetchTarget): SessionRequest['topics'][number]['partitions'][number] {
  const { partition, currentLeaderEpoch, fetchOffset, partitionMaxBytes } = target
  return { partition, currentLeaderEpoch, fetchOffset, partitionMaxBytes }
}

function grouped<P>(targets: readonly FetchTarget[], part: (target: FetchTarget) => P): TopicPart<P>[] {
  const byTopic = new Map<string, TopicPart<P>>()
  for (const target of targets) {
    let topic = byTopic.get(target.topic + target.topicId)
    if (!topic) byTopic.set(target.topic + target.topicId, (topic = { topic: target.topic, topicId: target.topicId, partitions: [] }))
    topic.partitions.push(part(target))
  }
  return [...byTopic.values()]
}
