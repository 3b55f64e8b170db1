// One record batch on its way out: the records in a builder's buffer, the identity it is sent under, and the promises
// of those who want to know. No object per record on the hot path. Pure but for the memory it holds.

import {
  BatchBuilder,
  batchHeader,
  type Bytes,
  type CompressionName,
  type HeaderToWrite,
  type PackRecords,
  RecordCursor,
} from '../../protocol/records/index.js'

export type { CompressionName } from '../../protocol/records/index.js'

/** Record headers in order; names may repeat. */
export type RecordHeaders = readonly HeaderToWrite[]

/** What an acknowledgement promises, as numbers in ProduceRequest; 0: as the topic says. */
export const AckPromise = { topic: 0, process: 1, disk: 2 } as const
export type AckPromise = (typeof AckPromise)[keyof typeof AckPromise]

/** Where a record went. */
export interface RecordMetadata {
  readonly topic: string
  readonly partition: number
  /** -1 with acks 0. */
  readonly offset: number
  /** Milliseconds since 1970: the record's own, or the broker's where the topic uses LogAppendTime. */
  readonly timestamp: number
}

/** Somebody who waits for one record. */
export interface Settlement {
  resolve(metadata: RecordMetadata): void
  reject(error: Error): void
}

interface Waiting {
  readonly delta: number
  readonly timestamp: number
  readonly settlement: Settlement
}

/** The largest that a record's fixed part can be: see BatchBuilder.estimateBytes, which must say the same. */
export const RECORD_OVERHEAD_BYTES = 36
const HEADER_OVERHEAD_BYTES = 10

/** An upper bound of what a record takes in a batch. */
export function recordBytesBound(key: Bytes, value: Bytes, headers: RecordHeaders | undefined): number {
  let size = RECORD_OVERHEAD_BYTES + sizeOf(key) + sizeOf(value)
  if (headers) for (const header of headers) size += HEADER_OVERHEAD_BYTES + Buffer.byteLength(header.key) + sizeOf(header.value)
  return size
}

/** The same for value `index` of a column. */
export function packedBound(offsets: Int32Array, index: number): number {
  return RECORD_OVERHEAD_BYTES + offsets[index + 1]! - offsets[index]!
}

function sizeOf(bytes: Bytes): number {
  if (bytes === null) return 0
  return typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.length
}

export class ProducerBatch {
  readonly topic: string
  readonly partition: number
  /** Age among all batches of the producer; parts of a split batch share it. */
  readonly order: number
  /** What it counts against `bufferMemory`. */
  readonly memoryBytes: number
  readonly createdAt: number
  readonly deadline: number
  readonly ack: AckPromise
  attempts = 0
  lastError: Error | undefined
  producerId = -1
  epoch = -1
  sequence = -1
  /** How many batches of its partition were given sequences before it, under its identity. */
  number = -1
  #builder: BatchBuilder | undefined
  #waiting: Waiting[] | undefined
  #sealed: Uint8Array | undefined
  #sealedSequence = -1
  #sealedEpoch = -1
  #sealedProducerId = -1
  /** A log may have changed the header, and there is no checksum. */
  #direct = false
  /** Kept when the builder is given away. */
  #count = 0

  constructor(
    topic: string,
    partition: number,
    order: number,
    memoryBytes: number,
    createdAt: number,
    deadline: number,
    ack: AckPromise,
    builder: BatchBuilder = new BatchBuilder(memoryBytes),
  ) {
    this.topic = topic
    this.partition = partition
    this.order = order
    this.memoryBytes = memoryBytes
    this.createdAt = createdAt
    this.deadline = deadline
    this.ack = ack
    this.#builder = builder
  }

  /** Memory for a batch that starts with a record of `bound` bytes. */
  static capacityFor(bound: number, batchSize: number): number {
    return Math.max(batchSize, bound + batchHeader.HEADER_SIZE)
  }

  get recordCount(): number {
    return this.#builder?.count ?? this.#count
  }

  hasRoom(bound: number): boolean {
    return this.#builder!.sizeBytes + bound <= this.memoryBytes
  }

  isFull(batchSize: number): boolean {
    return this.#builder!.sizeBytes >= batchSize
  }

  append(timestamp: number, key: Bytes, value: Bytes, headers: RecordHeaders | undefined, settlement: Settlement | undefined): void {
    const delta = this.#builder!.append(timestamp, key, value, headers)
    if (settlement) (this.#waiting ??= []).push({ delta, timestamp, settlement })
  }

  /** See BatchBuilder. Within its memory a batch is neither full nor closed by it. */
  tryAppendValue(timestamp: number, value: Uint8Array): boolean {
    return this.#builder!.tryAppendValue(timestamp, value, this.memoryBytes)
  }

  /** See BatchBuilder. */
  appendPacked(pack: PackRecords, timestamp: number, values: Uint8Array, offsets: Int32Array, from: number): number {
    return this.#builder!.appendPacked(pack, timestamp, values, offsets, from, this.memoryBytes)
  }

  get sizeBytes(): number {
    return this.#builder!.sizeBytes
  }

  setSequence(producerId: number, epoch: number, sequence: number, number: number): void {
    this.producerId = producerId
    this.epoch = epoch
    this.sequence = sequence
    this.number = number
  }

  clearSequence(): void {
    this.setSequence(-1, -1, -1, -1)
  }

  /** The bytes as they are sent, under the current identity. The same memory on every call. */
  seal(compression: CompressionName): Uint8Array {
    return this.#seal(compression, true)
  }

  /** The same for a log on this thread, which computes the checksum. */
  sealDirect(compression: CompressionName): Uint8Array {
    const sealed = this.#seal(compression, false)
    this.#direct = true
    return sealed
  }

  #seal(compression: CompressionName, checksum: boolean): Uint8Array {
    const { producerId, epoch, sequence } = this
    if (this.#sealed === undefined) {
      this.#sealed = this.#builder!.build({ compression, producerId, producerEpoch: epoch, baseSequence: sequence, checksum })
    } else if (
      this.#direct ||
      !checksum ||
      sequence !== this.#sealedSequence ||
      epoch !== this.#sealedEpoch ||
      producerId !== this.#sealedProducerId
    ) {
      batchHeader.resetProduced(this.#sealed, 0, producerId, epoch, sequence, checksum)
      this.#direct = false
    }
    this.#sealedProducerId = producerId
    this.#sealedEpoch = epoch
    this.#sealedSequence = sequence
    return this.#sealed
  }

  /** Tells everybody who waits. */
  settle(baseOffset: number, logAppendTimeMs: number, error: Error | undefined): void {
    const waiting = this.#waiting
    if (!waiting) return
    this.#waiting = undefined
    const { topic, partition } = this
    for (const { delta, timestamp, settlement } of waiting) {
      if (error) settlement.reject(error)
      else {
        const offset = baseOffset < 0 ? -1 : baseOffset + delta
        settlement.resolve({ topic, partition, offset, timestamp: logAppendTimeMs >= 0 ? logAppendTimeMs : timestamp })
      }
    }
  }

  /** Gives the builder's memory back; nothing reads this batch any more. */
  releaseBuilder(): BatchBuilder | undefined {
    const builder = this.#builder
    this.#count = this.recordCount
    this.#builder = undefined
    this.#sealed = undefined
    return builder
  }

  /** Two batches with the first and the second half of the records. */
  split(): ProducerBatch[] {
    const total = this.recordCount
    const half = total >>> 1
    const counts = [half, total - half]
    const cursor = new RecordCursor()
    cursor.open(this.seal('none'), 0, { checkCrc: false })
    let first = 0
    return counts.map((count) => {
      const memory = Math.max(1024, Math.ceil((this.#builder!.sizeBytes * count) / total) + batchHeader.HEADER_SIZE)
      const part = new ProducerBatch(this.topic, this.partition, this.order, memory, this.createdAt, this.deadline, this.ack)
      for (let i = 0; i < count && cursor.next(); i++) {
        part.append(cursor.timestamp, cursor.key(), cursor.value(), cursor.headerCount > 0 ? cursor.headers() : undefined, undefined)
      }
      const end = first + count
      const waiting = this.#waiting?.filter(({ delta }) => delta >= first && delta < end)
      if (waiting && waiting.length > 0) {
        const from = first
        part.#waiting = waiting.map((one) => ({ ...one, delta: one.delta - from }))
      }
      part.attempts = this.attempts
      first = end
      return part
    })
  }
}
