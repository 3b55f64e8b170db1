// Ranges of a log that hold no valid batch though valid ones follow: bit rot, a lost write in the middle. They are
// remembered in `quarantine.json` in the partition directory until the segment is gone, reads that touch them are
// answered with CORRUPT_MESSAGE and the range, and nothing is ever deleted or skipped because of them.

import { join } from 'node:path'
import { LogError, errorText } from './codes.js'
import { readFileIfAny, removeIfAny, replaceFile } from './files.js'
import type { Logger } from '../env/env.js'
import type { QuarantinedRange } from './types.js'

const NAME = 'quarantine.json'
const VERSION = 1

export class Quarantine {
  #dir: string
  /** By first offset. */
  #ranges: QuarantinedRange[]

  constructor(dir: string, isFresh = false) {
    this.#dir = dir
    this.#ranges = isFresh ? [] : load(dir)
  }

  /** Its directory got another name. */
  movedTo(dir: string): void {
    this.#dir = dir
  }

  get ranges(): readonly QuarantinedRange[] {
    return this.#ranges
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0
  }

  /** Tells of the ranges, adds those not yet known and makes them durable before returning. */
  add(found: readonly QuarantinedRange[], logger: Logger): void {
    for (const range of found)
      logger.error({ dir: this.#dir, ...range }, 'a corrupt range was quarantined: reads of it are refused, nothing was deleted')
    const fresh = found.filter(
      (range) => !this.#ranges.some((known) => known.segmentBaseOffset === range.segmentBaseOffset && known.position === range.position),
    )
    if (fresh.length > 0) this.#store([...this.#ranges, ...fresh])
  }

  /** The range that holds `offset`. */
  at(offset: number): QuarantinedRange | undefined {
    return this.#ranges.find((range) => range.firstOffset <= offset && offset <= range.lastOffset)
  }

  /** The first range that begins after `offset`: a read must end before it. */
  after(offset: number): QuarantinedRange | undefined {
    return this.#ranges.find((range) => range.firstOffset > offset)
  }

  /** The segment is gone (retention, truncation): so are its ranges. */
  forgetSegment(baseOffset: number): void {
    if (this.#ranges.some((range) => range.segmentBaseOffset === baseOffset)) {
      this.#store(this.#ranges.filter((range) => range.segmentBaseOffset !== baseOffset))
    }
  }

  /** The log was cut at `offset`: what lay above is gone with it, and what comes there is other records. */
  forgetFrom(offset: number): void {
    if (!this.#ranges.some((range) => range.lastOffset >= offset)) return
    const below = this.#ranges.filter((range) => range.firstOffset < offset)
    this.#store(below.map((range) => ({ ...range, lastOffset: Math.min(range.lastOffset, offset - 1) })))
  }

  #store(ranges: QuarantinedRange[]): void {
    ranges.sort((a, b) => a.firstOffset - b.firstOffset)
    if (ranges.length === 0) removeIfAny(join(this.#dir, NAME))
    else replaceFile(this.#dir, NAME, Buffer.from(JSON.stringify({ version: VERSION, ranges }, null, 2) + '\n'))
    this.#ranges = ranges
  }
}

function load(dir: string): QuarantinedRange[] {
  const bytes = readFileIfAny(join(dir, NAME))
  if (!bytes) return []
  try {
    const parsed = JSON.parse(bytes.toString('utf8')) as { version: number; ranges: QuarantinedRange[] }
    if (parsed.version !== VERSION || !Array.isArray(parsed.ranges)) throw new Error(`version ${parsed.version}`)
    return parsed.ranges
  } catch (error) {
    throw new LogError('ERR_MILLRACE_QUARANTINE', `${join(dir, NAME)} is unreadable (${errorText(error)}): restore or remove it`, error)
  }
}

export function describeRange(dir: string, range: QuarantinedRange): string {
  return (
    `offsets ${range.firstOffset} to ${range.lastOffset} of ${dir} are corrupt ` +
    `(segment ${range.segmentBaseOffset}, ${range.size} bytes at position ${range.position}); ` +
    `nothing was deleted: restore the segment from a copy, or read on from offset ${range.lastOffset + 1}`
  )
}
