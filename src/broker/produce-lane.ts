// The way of produced batches between two workers, both directions: what this worker forwards to the other, and what it takes from there. A turn's
// requests cross in one message of plain numbers, its answers in another: an object for each batch, written, read and collected on both
// threads, cost as much as the batch's way into the log. The records lie in a ring that both see (threads/shared-ring.ts). Runs on every worker.

import { BufferPool } from '../env/buffer-pool.js'
import { errors } from '../model/errors.js'
import type { AppendResult } from '../log/types.js'
import { type AppendTerms, failedAppend } from '../replica/hosted-partition.js'
import type { ProduceSink } from '../replica/purgatory/produce-queue.js'
import type { MailboxHandler } from '../threads/mailbox.js'
import { copyShared, type Placed, ringMemory, RingReader, RingWriter } from '../threads/shared-ring.js'

export interface ProduceItem {
  readonly topic: string
  readonly partition: number
  readonly records: Uint8Array
  readonly slot: number
}

/**
 * Records on their way to one worker that it has not appended yet: eight connections with five batches of 256 KiB each for one partition come to
 * 5 MiB. Memory is touched as deep as it gets. What finds no room lies in memory of its own until it is answered.
 */
const RING_BYTES = 16 << 20

/** Worker to owner: the requests of one turn. */
interface ForwardedRequests {
  /** Only in the first message: the ring that `start` points into. */
  readonly ring: SharedArrayBuffer | undefined
  readonly topics: readonly string[]
  /** Memory of what found no room in the ring. */
  readonly memories: readonly SharedArrayBuffer[]
  /** Of each request: id, acks, disk, API version, origin, count of its batches; of each batch: topic, partition, memory (-1: the ring), start, size. */
  readonly numbers: readonly number[]
  /** Where the ring's bytes of this message end. */
  readonly end: number
}

/** Owner to worker: what became of requests. */
interface ForwardedAnswers {
  /** Of each request: its id; of each batch: error code, base offset, last offset, log append time, log start offset, duplicate, index in `refused` or -1. */
  readonly numbers: readonly number[]
  /** Results that numbers do not say all of. */
  readonly refused: readonly AppendResult[]
}

const ORIGINS = ['client', 'coordinator', 'embedded'] as const satisfies readonly AppendTerms['origin'][]

export interface ProduceLaneOptions {
  /** A power of two; 16 MiB. */
  readonly ringBytes?: number
  notify(method: string, message: object): void
  append(topic: string, partition: number, records: Uint8Array, terms: AppendTerms, sink: ProduceSink, slot: number): void
  /** What was appended in this turn of the event loop is to be written at its end. */
  turnEnded(): void
  /** So many bytes that were forwarded have been answered, or will not be. */
  settled(bytes: number): void
}

/** Memory kept of each size up to the largest. Fresh memory costs page faults, and waits for the collector: a node grew by hundreds of MiB. */
const KEPT_PER_SIZE = 32
const LARGEST_KEPT = 1 << 20

interface Waiting {
  readonly items: readonly ProduceItem[]
  readonly sink: ProduceSink
  readonly bytes: number
  /** What found no room in the ring. */
  readonly memories: readonly Buffer[]
}

export class ProduceLane {
  private readonly options: ProduceLaneOptions
  private readonly waiting = new Map<number, Waiting>()
  private nextId = 0
  private closed = false
  // What goes to the other worker.
  private writer: RingWriter | undefined
  /** To be told with the next message. */
  private newRing: SharedArrayBuffer | undefined
  private topics: string[] = []
  private memories: SharedArrayBuffer[] = []
  private readonly pool = new BufferPool(KEPT_PER_SIZE, LARGEST_KEPT, (size) => Buffer.from(new SharedArrayBuffer(size)))
  private requests: number[] = []
  private end = 0
  // What came from there.
  private reader: RingReader | undefined
  private theirRing: SharedArrayBuffer | undefined
  private answers: number[] = []
  private refused: AppendResult[] = []

  constructor(options: ProduceLaneOptions) {
    this.options = options
  }

  handlers(): [string, MailboxHandler][] {
    return [
      ['produce', (message: ForwardedRequests) => this.take(message)],
      ['produced', (message: ForwardedAnswers) => this.answered(message)],
    ]
  }

  /** The records are copied: what they lie in now is the connection's receive buffer. They leave with the next `send`. */
  forward(items: readonly ProduceItem[], bytes: number, terms: AppendTerms, sink: ProduceSink): void {
    const id = this.nextId++
    const memories: Buffer[] = []
    this.waiting.set(id, { items, sink, bytes, memories })
    if (this.closed) {
      this.fail()
      return
    }
    const { requests } = this
    requests.push(id, terms.acks, terms.disk ? 1 : 0, terms.apiVersion, ORIGINS.indexOf(terms.origin), items.length)
    for (const { topic, partition, records } of items) {
      const placed = this.place(records)
      if (placed) this.end = placed[2]
      else memories.push(this.ownMemory(records))
      requests.push(this.topicIndex(topic), partition, placed ? -1 : this.memories.length - 1, placed ? placed[0] : 0, records.length)
    }
  }

  /** What was forwarded in this turn goes. */
  send(): void {
    if (this.requests.length === 0) return
    const { newRing: ring, topics, memories, requests: numbers, end } = this
    this.newRing = undefined
    this.topics = []
    this.memories = []
    this.requests = []
    this.options.notify('produce', { ring, topics, memories, numbers, end } satisfies ForwardedRequests)
  }

  /** The other worker is gone: it may have appended what was on its way, or not. */
  close(): void {
    this.closed = true
    this.fail()
  }

  private fail(): void {
    const all = Array.from(this.waiting.values())
    this.waiting.clear()
    for (const { items, sink, bytes } of all) {
      this.options.settled(bytes)
      for (const { slot } of items) sink.complete(slot, failedAppend(errors.NOT_LEADER_OR_FOLLOWER.code))
    }
  }

  private place(records: Uint8Array): Placed | undefined {
    if (!this.writer) {
      this.newRing = ringMemory(this.options.ringBytes ?? RING_BYTES)
      this.writer = new RingWriter(this.newRing)
    }
    return this.writer.place(records.length, 0, (target, at) => copyShared(target, at, records))
  }

  private ownMemory(records: Uint8Array): Buffer {
    const memory = this.pool.acquire(records.length)
    copyShared(memory, 0, records)
    this.memories.push(memory.buffer as unknown as SharedArrayBuffer)
    return memory
  }

  private topicIndex(topic: string): number {
    const known = this.topics.indexOf(topic)
    return known === -1 ? this.topics.push(topic) - 1 : known
  }

  private take({ ring, topics, memories, numbers, end }: ForwardedRequests): void {
    if (ring) {
      this.theirRing = ring
      this.reader = new RingReader(ring)
    }
    let at = 0
    while (at < numbers.length) {
      const [id, acks, disk, apiVersion, origin, count] = [
        numbers[at]!,
        numbers[at + 1]!,
        numbers[at + 2]!,
        numbers[at + 3]!,
        numbers[at + 4]!,
        numbers[at + 5]!,
      ]
      const terms: AppendTerms = { acks, disk: disk === 1, apiVersion, origin: ORIGINS[origin]! }
      const sink = new ForwardedSink(count, (results) => this.answer(id, results))
      at += 6
      for (let slot = 0; slot < count; slot++, at += 5) {
        const memory = numbers[at + 2]!
        const records = new Uint8Array(memory === -1 ? this.theirRing! : memories[memory]!, numbers[at + 3], numbers[at + 4])
        this.options.append(topics[numbers[at]!]!, numbers[at + 1]!, records, terms, sink, slot)
      }
    }
    // The log has copied or written all of it.
    this.reader?.doneTo(end)
    this.options.turnEnded()
  }

  private answer(id: number, results: readonly AppendResult[]): void {
    if (this.answers.length === 0) queueMicrotask(() => this.sendAnswers())
    this.answers.push(id)
    for (const result of results) {
      const { errorCode, errorMessage, recordErrors, baseOffset, lastOffset, logAppendTime, logStartOffset, duplicate } = result
      const isPlain = errorMessage === null && recordErrors === null
      const at = isPlain ? -1 : this.refused.push(result) - 1
      this.answers.push(errorCode, baseOffset, lastOffset, logAppendTime, logStartOffset, duplicate ? 1 : 0, at)
    }
  }

  private sendAnswers(): void {
    const { answers: numbers, refused } = this
    this.answers = []
    this.refused = []
    this.options.notify('produced', { numbers, refused } satisfies ForwardedAnswers)
  }

  private answered({ numbers, refused }: ForwardedAnswers): void {
    let at = 0
    while (at < numbers.length) {
      const id = numbers[at++]!
      const { items, sink, bytes, memories } = this.waiting.get(id)!
      this.waiting.delete(id)
      for (const memory of memories) this.pool.release(memory)
      this.options.settled(bytes)
      for (const { slot } of items) {
        const place = numbers[at + 6]!
        sink.complete(slot, place === -1 ? plainResult(numbers, at) : refused[place]!)
        at += 7
      }
    }
  }
}

/** The results of one forwarded request, until all are there. */
class ForwardedSink implements ProduceSink {
  private readonly results: AppendResult[] = []
  private readonly done: (results: readonly AppendResult[]) => void
  private remaining: number

  constructor(count: number, done: (results: readonly AppendResult[]) => void) {
    this.remaining = count
    this.done = done
  }

  complete(slot: number, result: AppendResult): void {
    this.results[slot] = result
    if (--this.remaining === 0) this.done(this.results)
  }
}

function plainResult(numbers: readonly number[], at: number): AppendResult {
  return {
    errorCode: numbers[at]!,
    errorMessage: null,
    recordErrors: null,
    baseOffset: numbers[at + 1]!,
    lastOffset: numbers[at + 2]!,
    logAppendTime: numbers[at + 3]!,
    logStartOffset: numbers[at + 4]!,
    duplicate: numbers[at + 5] === 1,
  }
}
