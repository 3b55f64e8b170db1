// A `.log` file batch by batch: header fields, CRC32C and records, and where the first bad byte is. A bad batch
// followed by a valid one is a corrupt middle; with nothing valid after it, a torn tail.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { basename } from 'node:path'
import { At, Attribute, HEADER_SIZE, int16At, int32At, int64At, LOG_OVERHEAD } from '../../protocol/records/batch-layout.js'
import { endTransactionMarker } from '../../log/end-transaction-marker.js'
import { BatchVerdict, native, VerifyOut } from '../../log/native.js'
import type { DumpOptions, Line } from './dump.js'
import { readRecords, showBytes } from './records.js'

/** Of control records, by number; those after COMMIT stand in Kafka's metadata log only. */
const CONTROL_TYPES = ['ABORT', 'COMMIT', 'LEADER_CHANGE', 'SNAPSHOT_HEADER', 'SNAPSHOT_FOOTER', 'KRAFT_VERSION', 'KRAFT_VOTERS']
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const MAX_UNCOMPRESSED = 1 << 30
/** A length field past this is taken for damage: no broker accepts such a batch. */
const MAX_BATCH = 1 << 30

export function* dumpSegment(path: string, options: DumpOptions): Generator<Line> {
  const file = new BatchFile(path)
  try {
    yield* dumpBatches(file, Number.parseInt(basename(path), 10) || 0, options)
  } finally {
    file.close()
  }
}

function* dumpBatches(file: BatchFile, baseOffset: number, options: DumpOptions): Generator<Line> {
  let position = 0
  let nextOffset = baseOffset
  let printed = 0
  let batches = 0
  let records = 0
  while (position < file.size) {
    const problem = file.check(position)
    if (problem !== undefined) {
      const resume = file.findValid(position + 1)
      yield damageLine(position, resume, file.size, nextOffset, problem)
      if (resume === -1) break
      position = resume
      continue
    }
    const batch = file.bytes
    const header = headerOf(batch, position, file.length)
    if (header.baseOffset < nextOffset) {
      yield {
        kind: 'damage',
        problem: true,
        text: `offsets go back at byte ${position}: the batch starts at ${header.baseOffset}, and ${nextOffset} was next`,
        fields: { position },
      }
    }
    const shown = header.lastOffset >= options.from && printed < options.max
    if (shown) printed++
    yield { kind: 'batch', text: batchText(header), shown, fields: { ...header } }
    if (shown && options.records && !header.control) yield* recordLines(batch, file.length, header)
    nextOffset = header.lastOffset + 1
    position += file.length
    batches++
    records += header.count
  }
  const text = `${batches} batches, ${records} records, ${position < file.size ? position : file.size} of ${file.size} bytes valid, next offset ${nextOffset}`
  yield { kind: 'end', text, batches, records, fields: { batches, records, size: file.size, nextOffset } }
}

function damageLine(position: number, resume: number, size: number, nextOffset: number, problem: string): Line {
  const rest =
    resume === -1
      ? `no valid batch follows in the ${size - position} bytes up to the end: a torn tail`
      : `a valid batch follows at byte ${resume}: ${resume - position} bytes in the middle are corrupt`
  const text = `first bad byte at ${position} of ${size} (offset ${nextOffset} was next): ${problem}; ${rest}`
  return { kind: 'damage', problem: true, text, fields: { position, size, nextOffset, resume, torn: resume === -1 } }
}

type Header = ReturnType<typeof headerOf>

function headerOf(b: Uint8Array, position: number, size: number) {
  const attributes = int16At(b, At.attributes)
  const base = int64At(b, At.baseOffset)
  const control = (attributes & Attribute.control) !== 0
  const marker = control ? endTransactionMarker(b, 0, size) : undefined
  return {
    baseOffset: base,
    lastOffset: base + int32At(b, At.lastOffsetDelta),
    count: int32At(b, At.recordsCount),
    position,
    size,
    leaderEpoch: int32At(b, At.leaderEpoch),
    codec: CODECS[attributes & Attribute.codecMask] ?? `unknown ${attributes & Attribute.codecMask}`,
    timestampType: attributes & Attribute.logAppendTime ? 'LogAppendTime' : 'CreateTime',
    baseTimestamp: int64At(b, At.baseTimestamp),
    maxTimestamp: int64At(b, At.maxTimestamp),
    producerId: int64At(b, At.producerId),
    producerEpoch: int16At(b, At.producerEpoch),
    baseSequence: int32At(b, At.baseSequence),
    transactional: (attributes & Attribute.transactional) !== 0,
    control,
    marker: marker ? (CONTROL_TYPES[marker.controlType] ?? `control type ${marker.controlType}`) : null,
    crc: (int32At(b, At.crc) >>> 0).toString(16).padStart(8, '0'),
  }
}

function batchText(h: Header): string {
  const producer = h.producerId >= 0 ? ` producer ${h.producerId}/${h.producerEpoch} sequence ${h.baseSequence}` : ''
  const kind = h.control ? ` control ${h.marker ?? ''}` : h.transactional ? ' transactional' : ''
  return `offsets ${h.baseOffset}-${h.lastOffset} at ${h.position} size ${h.size} records ${h.count} ${h.codec} epoch ${h.leaderEpoch} ${h.timestampType} ${h.maxTimestamp}${producer}${kind} crc ${h.crc} ok`
}

function* recordLines(batch: Uint8Array, length: number, header: Header): Generator<Line> {
  const plain = header.codec === 'none' ? batch.subarray(0, length) : native().recompressBatch(batch, 0, length, 0, -1, MAX_UNCOMPRESSED)
  for (const record of readRecords(plain)) {
    const headers = record.headers.map(([key, value]) => `${key}=${showBytes(value)}`).join(' ')
    const timestamp = header.timestampType === 'LogAppendTime' ? header.maxTimestamp : record.timestamp
    const text = `  offset ${record.offset} timestamp ${timestamp} key ${showBytes(record.key)} value ${showBytes(record.value)}${headers ? ` headers ${headers}` : ''}`
    const fields = {
      offset: record.offset,
      timestamp,
      key: showBytes(record.key),
      value: showBytes(record.value),
      headers: record.headers.map(([key, value]) => [key, showBytes(value)]),
    }
    yield { kind: 'record', text, fields }
  }
}

/** Reads batches of a segment by position. After `check` says nothing, `bytes` and `length` are the batch. */
export class BatchFile {
  readonly size: number
  bytes: Uint8Array = new Uint8Array(1 << 16)
  length = 0
  readonly #fd: number
  readonly #out = new Float64Array(VerifyOut.length)

  constructor(path: string) {
    this.#fd = openSync(path, 'r')
    this.size = fstatSync(this.#fd).size
  }

  close(): void {
    closeSync(this.#fd)
  }

  /** Undefined when a whole valid batch starts at `position`; else what is wrong there. */
  check(position: number): string | undefined {
    const left = this.size - position
    if (left < HEADER_SIZE) return `${left} bytes are left, and a batch has at least ${HEADER_SIZE}`
    this.#read(position, HEADER_SIZE)
    const magic = this.bytes[At.magic]!
    if (magic !== 2) return `magic is ${magic}, not 2`
    const length = int32At(this.bytes, At.batchLength) + LOG_OVERHEAD
    if (length < HEADER_SIZE || length > MAX_BATCH) return `the batch says it has ${length} bytes`
    if (length > left) return `the batch says it has ${length} bytes, and ${left} are left`
    this.#read(position, length)
    this.length = length
    const stored = int32At(this.bytes, At.crc) >>> 0
    const actual = native().crc32c(this.bytes, At.attributes, length - At.attributes) >>> 0
    if (stored !== actual) return `CRC32C is ${actual.toString(16)}, and the batch says ${stored.toString(16)}`
    return this.#checkRecords(length)
  }

  #checkRecords(length: number): string | undefined {
    const verdict = native().verifyBatch(this.bytes, 0, length, 0, 0, Number.MAX_SAFE_INTEGER, MAX_UNCOMPRESSED, this.#out)
    const control = (int16At(this.bytes, At.attributes) & Attribute.control) !== 0
    // Compaction leaves gaps between offsets, which only a producer's batch may not have.
    const compacted = int32At(this.bytes, At.recordsCount) !== int32At(this.bytes, At.lastOffsetDelta) + 1
    if (verdict === BatchVerdict.ok || control || (compacted && verdict === BatchVerdict.invalid)) return undefined
    const name = Object.entries(BatchVerdict).find(([, value]) => value === verdict)?.[0] ?? String(verdict)
    return `the records inside do not hold together (${name})`
  }

  /** Position of the first whole valid batch at or after `position`, -1 when there is none. */
  findValid(position: number): number {
    const window = new Uint8Array(1 << 20)
    for (let start = position; start + HEADER_SIZE <= this.size; start += window.length - At.magic) {
      const got = readSync(this.#fd, window, 0, window.length, start)
      for (let i = At.magic; i < got; i++) {
        if (window[i] === 2 && this.#plausible(window, i - At.magic, got) && this.check(start + i - At.magic) === undefined)
          return start + i - At.magic
      }
      if (got < window.length) break
    }
    return -1
  }

  /** Cheap look before the CRC: high bytes that are zero in every real batch. */
  #plausible(window: Uint8Array, at: number, end: number): boolean {
    const length = at + At.leaderEpoch <= end ? int32At(window, at + At.batchLength) : -1
    return window[at] === 0 && length + LOG_OVERHEAD >= HEADER_SIZE && length <= this.size
  }

  #read(position: number, length: number): void {
    if (this.bytes.length < length) this.bytes = new Uint8Array(Math.max(length, this.bytes.length * 2))
    readSync(this.#fd, this.bytes, 0, length, position)
  }
}
