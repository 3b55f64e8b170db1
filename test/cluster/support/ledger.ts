// What was acknowledged, what a watching consumer read meanwhile, what is there in the end: and whether it fits together. Values are
// `<writer>:<number>`; each writer sends its numbers to partitions in turn.

import { Consumer } from '../../../src/client/index.js'

const STANDSTILL_MS = 30_000
const READ_REQUEST_MS = 5000

export interface Acknowledged {
  readonly writer: number
  readonly n: number
  readonly partition: number
  /** -1: a duplicate that the broker recognised, acknowledged without an offset. */
  readonly offset: number
}

export interface Seen {
  readonly writer: number
  readonly n: number
  readonly offset: number
}

export interface Faithfulness {
  readonly acknowledged: number
  readonly lost: number
  readonly doubled: number
  readonly reordered: number
  /** Acknowledged with another offset than where it is. */
  readonly misplaced: number
  /** Acknowledged, and not read by the consumer that watched. */
  readonly unseen: number
}

/** A time in which a partition had no acknowledgement. */
export interface Gap {
  readonly ms: number
  readonly partition: number
  /** When it began, milliseconds after `resetGaps`; below 0: before. */
  readonly beganMs: number
}

export class Ledger {
  readonly #acknowledged: Acknowledged[] = []
  readonly #watched = new Map<number, Set<number>>()
  readonly #lastAck: number[]
  readonly #gaps: Gap[]
  #resetAt = 0
  #isOpen = true

  constructor(partitions: number) {
    this.#lastAck = Array.from({ length: partitions }, () => -1)
    this.#gaps = Array.from({ length: partitions }, (_, partition) => ({ ms: 0, partition, beganMs: 0 }))
  }

  acknowledge(one: Acknowledged): void {
    const now = performance.now()
    const last = this.#lastAck[one.partition]!
    if (last >= 0) this.#gap(one.partition, last, now)
    this.#lastAck[one.partition] = now
    this.#acknowledged.push(one)
  }

  watch(writer: number, n: number): void {
    let seen = this.#watched.get(writer)
    if (seen === undefined) this.#watched.set(writer, (seen = new Set()))
    seen.add(n)
  }

  /** Every partition has an acknowledgement. */
  get isEverywhere(): boolean {
    return this.#lastAck.every((at) => at >= 0)
  }

  get watched(): number {
    return [...this.#watched.values()].reduce((sum, { size }) => sum + size, 0)
  }

  /** The watcher has read all that is acknowledged. */
  get isWatched(): boolean {
    return this.watched >= this.#acknowledged.length && this.unseen === 0
  }

  get unseen(): number {
    return this.#acknowledged.filter(({ writer, n }) => !this.#watched.get(writer)?.has(n)).length
  }

  /** Forgets the gaps so far: the next fault is measured by itself. */
  resetGaps(): void {
    this.#resetAt = performance.now()
    this.#gaps.forEach((_, partition) => (this.#gaps[partition] = { ms: 0, partition, beganMs: 0 }))
  }

  /** No more is sent: silence is no gap from here. */
  close(): void {
    this.#isOpen = false
  }

  get longestGap(): Gap {
    const now = performance.now()
    if (this.#isOpen) this.#lastAck.forEach((at, partition) => at >= 0 && this.#gap(partition, at, now))
    return this.#gaps.reduce((a, b) => (b.ms > a.ms ? b : a))
  }

  #gap(partition: number, from: number, to: number): void {
    if (to - from > this.#gaps[partition]!.ms) this.#gaps[partition] = { ms: to - from, partition, beganMs: from - this.#resetAt }
  }

  /** Compares with all that is in the topic. */
  judge(topic: readonly (readonly Seen[])[]): Faithfulness {
    let doubled = 0
    let reordered = 0
    const places = new Map<string, { partition: number; offset: number }>()
    topic.forEach((records, partition) => {
      const last = new Map<number, number>()
      for (const { writer, n, offset } of records) {
        const key = `${writer}:${n}`
        if (places.has(key)) doubled++
        else if (n < (last.get(writer) ?? -1)) reordered++
        places.set(key, { partition, offset })
        last.set(writer, Math.max(n, last.get(writer) ?? -1))
      }
    })
    let lost = 0
    let misplaced = 0
    for (const { writer, n, partition, offset } of this.#acknowledged) {
      const place = places.get(`${writer}:${n}`)
      if (!place) lost++
      else if (place.partition !== partition || (offset >= 0 && place.offset !== offset)) misplaced++
    }
    return { acknowledged: this.#acknowledged.length, lost, doubled, reordered, misplaced, unseen: this.unseen }
  }
}

/** All records of all partitions, by a consumer of ours without a group. */
export async function readAll(bootstrap: string, topic: string, partitions: number): Promise<Seen[][]> {
  const consumer = new Consumer({ bootstrapServers: bootstrap, clientId: 'checker', requestTimeoutMs: READ_REQUEST_MS })
  try {
    const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
    const ends = await consumer.endOffsets(all)
    consumer.assign(all.map((one) => ({ ...one, offset: 0 })))
    const seen: Seen[][] = all.map(() => [])
    let left = ends.reduce((sum, { offset }) => sum + offset, 0)
    while (left > 0) {
      const records = await consumer.poll(STANDSTILL_MS)
      if (records.length === 0) throw new Error(`reading stands still with ${left} records left`)
      for (const { partition, offset, value } of records) seen[partition]!.push({ ...parse(value!), offset })
      left -= records.length
    }
    return seen
  } finally {
    await consumer.close()
  }
}

export function parse(value: Uint8Array): { writer: number; n: number } {
  const [writer, n] = Buffer.from(value).toString().split(':').map(Number)
  return { writer: writer!, n: n! }
}
