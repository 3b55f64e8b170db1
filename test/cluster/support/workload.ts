// Writers and a reader that can say afterwards whether anything was lost, doubled or put out of order, and for how long
// nothing could be written. Values are `<writer>:<number>`; each writer sends its numbers to partitions in turn.

import { Consumer, Producer } from '../../../src/client/index.js'

export interface WorkloadSpec {
  readonly bootstrap: string
  readonly topic: string
  readonly partitions: number
  readonly writers: number
  /** Records a second of each writer. */
  readonly rate: number
}

interface Acknowledged {
  readonly writer: number
  readonly n: number
  readonly partition: number
  readonly offset: number
}

export interface Verdict {
  readonly acknowledged: number
  /** Sends that failed; they may be there or not. */
  readonly failed: number
  readonly lost: number
  readonly doubled: number
  readonly reordered: number
  /** Acknowledged with another offset than where it is. */
  readonly misplaced: number
  /** Longest time a partition went without an acknowledgement while records for it were due, milliseconds. */
  readonly longestGapMs: number
  readonly firstFailure: string | null
}

/** A time in which a partition had no acknowledgement. */
export interface Gap {
  readonly ms: number
  readonly partition: number
  /** When it began, milliseconds after `resetGaps`; below 0: before. */
  readonly beganMs: number
}

const TURN_MS = 10

export class Workload {
  readonly #spec: WorkloadSpec
  readonly #acknowledged: Acknowledged[] = []
  readonly #producers: Producer[]
  readonly #lastAck: number[]
  readonly #gaps: Gap[]
  #resetAt = 0
  #failed = 0
  #firstFailure: string | null = null
  #running = false
  #done: Promise<unknown> = Promise.resolve()
  #sent: number[]

  constructor(spec: WorkloadSpec) {
    this.#spec = spec
    this.#producers = Array.from(
      { length: spec.writers },
      (_, writer) =>
        new Producer({
          bootstrapServers: spec.bootstrap,
          clientId: `writer-${writer}`,
          acks: 'all',
          enableIdempotence: true,
          lingerMs: 5,
          requestTimeoutMs: 5000,
          deliveryTimeoutMs: 120_000,
          retryBackoffMs: 20,
          reconnectBackoffMs: 20,
          reconnectBackoffMaxMs: 200,
          metadataMaxAgeMs: 5000,
        }),
    )
    this.#lastAck = Array.from({ length: spec.partitions }, () => -1)
    this.#gaps = Array.from({ length: spec.partitions }, (_, partition) => ({ ms: 0, partition, beganMs: 0 }))
    this.#sent = Array.from({ length: spec.writers }, () => 0)
  }

  get acknowledged(): number {
    return this.#acknowledged.length
  }

  start(): void {
    this.#running = true
    this.#done = Promise.all(this.#producers.map((producer, writer) => this.#write(producer, writer)))
  }

  /** Forgets the gaps so far: the next fault is measured by itself. */
  resetGaps(): void {
    this.#resetAt = performance.now()
    this.#gaps.forEach((_, partition) => (this.#gaps[partition] = { ms: 0, partition, beganMs: 0 }))
  }

  get longestGap(): Gap {
    const now = performance.now()
    if (this.#running) this.#lastAck.forEach((at, partition) => at >= 0 && this.#gap(partition, at, now))
    return this.#gaps.reduce((a, b) => (b.ms > a.ms ? b : a))
  }

  #gap(partition: number, from: number, to: number): void {
    if (to - from > this.#gaps[partition]!.ms) this.#gaps[partition] = { ms: to - from, partition, beganMs: from - this.#resetAt }
  }

  async #write(producer: Producer, writer: number): Promise<void> {
    const { rate, topic, partitions } = this.#spec
    const started = performance.now()
    const due = new Set<Promise<unknown>>()
    while (this.#running) {
      const wanted = Math.floor(((performance.now() - started) / 1000) * rate)
      // After a long stop the writer catches up, but it does not pile up more than a second of records.
      for (let i = 0; i < rate && this.#sent[writer]! < wanted && due.size < rate; i++) {
        const n = this.#sent[writer]!++
        const sending = this.#send(producer, writer, n, topic, n % partitions)
        due.add(sending)
        void sending.then(() => due.delete(sending))
      }
      await new Promise((resolve) => setTimeout(resolve, TURN_MS))
    }
    await Promise.allSettled(due)
  }

  async #send(producer: Producer, writer: number, n: number, topic: string, partition: number): Promise<void> {
    try {
      const { offset } = await producer.send({ topic, partition, value: `${writer}:${n}` })
      const now = performance.now()
      const last = this.#lastAck[partition]!
      if (last >= 0) this.#gap(partition, last, now)
      this.#lastAck[partition] = now
      this.#acknowledged.push({ writer, n, partition, offset })
    } catch (error) {
      this.#failed++
      this.#firstFailure ??= (error as Error).message
    }
  }

  /** Stops the writers, waits for their acknowledgements, reads everything and compares. */
  async finish(): Promise<Verdict> {
    this.#running = false
    await this.#done
    await Promise.all(this.#producers.map((producer) => producer.close()))
    const seen = await this.#readAll()
    return this.#judge(seen)
  }

  async #readAll(): Promise<{ writer: number; n: number; offset: number }[][]> {
    const { bootstrap, topic, partitions } = this.#spec
    const consumer = new Consumer({ bootstrapServers: bootstrap, clientId: 'checker', requestTimeoutMs: 5000 })
    try {
      const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
      const ends = await consumer.endOffsets(all)
      consumer.assign(all.map((one) => ({ ...one, offset: 0 })))
      const seen: { writer: number; n: number; offset: number }[][] = all.map(() => [])
      let left = ends.reduce((sum, { offset }) => sum + offset, 0)
      while (left > 0) {
        const records = await consumer.poll(30_000)
        if (records.length === 0) throw new Error(`reading stands still with ${left} records left`)
        for (const { partition, offset, value } of records) {
          const [writer, n] = Buffer.from(value!).toString().split(':').map(Number)
          seen[partition]!.push({ writer: writer!, n: n!, offset })
        }
        left -= records.length
      }
      return seen
    } finally {
      await consumer.close()
    }
  }

  #judge(seen: readonly (readonly { writer: number; n: number; offset: number }[])[]): Verdict {
    let doubled = 0
    let reordered = 0
    const places = new Map<string, { partition: number; offset: number }>()
    seen.forEach((records, partition) => {
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
      // A duplicate that the broker recognised is acknowledged without an offset.
      else if (place.partition !== partition || (offset >= 0 && place.offset !== offset)) misplaced++
    }
    return {
      acknowledged: this.#acknowledged.length,
      failed: this.#failed,
      lost,
      doubled,
      reordered,
      misplaced,
      longestGapMs: this.longestGap.ms,
      firstFailure: this.#firstFailure,
    }
  }
}

export function isSound({ lost, doubled, reordered, misplaced }: Verdict): boolean {
  return lost + doubled + reordered + misplaced === 0
}
