// What a data directory knows of its logs without opening them: the offsets that they reported last, and the checkpoint files that say so after a
// start. Runs on the thread coordinator.

import type { Logger } from '../env/env.js'
import { parsePartitionDirName, dirNameOf, type TopicPartition } from '../model/topic-partition.js'
import {
  CLEANER_OFFSET_FILE,
  HIGH_WATERMARK_FILE,
  LOG_START_OFFSET_FILE,
  readOffsets,
  RECOVERY_POINT_FILE,
  writeOffsets,
} from './checkpoints.js'
import { errorCodeOf, errorText } from './codes.js'

export interface LogOffsets {
  readonly recoveryPoint: number
  readonly logStartOffset: number
  /** 0: never compacted. */
  readonly cleanerOffset: number
  readonly highWatermark: number
}

/** Undefined: as it was. */
export type ReportedOffsets = Omit<LogOffsets, 'cleanerOffset'> & { readonly cleanerOffset?: number | undefined }

interface Known {
  readonly topicPartition: TopicPartition
  readonly offsets: LogOffsets
}

/** `sparse`: an offset of 0 is not written. */
const FILES: readonly { readonly name: string; readonly offset: keyof LogOffsets; readonly sparse: boolean }[] = [
  { name: RECOVERY_POINT_FILE, offset: 'recoveryPoint', sparse: false },
  { name: LOG_START_OFFSET_FILE, offset: 'logStartOffset', sparse: true },
  { name: CLEANER_OFFSET_FILE, offset: 'cleanerOffset', sparse: true },
  { name: HIGH_WATERMARK_FILE, offset: 'highWatermark', sparse: false },
]
const NOTHING: LogOffsets = { recoveryPoint: 0, logStartOffset: 0, cleanerOffset: 0, highWatermark: 0 }

export class KnownOffsets {
  readonly #path: string
  /** By partition directory name. */
  readonly #known = new Map<string, Known>()
  #changed = false

  /** As the checkpoints of `path` say. A damaged one only costs time: everything is scanned. */
  constructor(path: string, logger: Logger) {
    this.#path = path
    for (const { name, offset } of FILES) {
      for (const [key, value] of readable(path, name, logger)) {
        const topicPartition = parsePartitionDirName(key)
        if (topicPartition) this.#known.set(key, { topicPartition, offsets: { ...this.#of(key), [offset]: value } })
      }
    }
  }

  of(topicPartition: TopicPartition): LogOffsets {
    return this.#of(dirNameOf(topicPartition))
  }

  note(topicPartition: TopicPartition, { recoveryPoint, logStartOffset, cleanerOffset, highWatermark }: ReportedOffsets): void {
    const key = dirNameOf(topicPartition)
    const before = this.#of(key)
    const offsets = { recoveryPoint, logStartOffset, cleanerOffset: cleanerOffset ?? before.cleanerOffset, highWatermark }
    if (this.#known.has(key) && FILES.every(({ offset }) => offsets[offset] === before[offset])) return
    this.#known.set(key, { topicPartition: { topic: topicPartition.topic, partition: topicPartition.partition }, offsets })
    this.#changed = true
  }

  forget(topicPartition: TopicPartition): void {
    if (this.#known.delete(dirNameOf(topicPartition))) this.#changed = true
  }

  /** The checkpoint files, fsynced and renamed into place, if there is something new. */
  write(): void {
    if (!this.#changed) return
    const all = [...this.#known.values()]
    for (const { name, offset, sparse } of FILES) {
      const entries = all.filter(({ offsets }) => !sparse || offsets[offset] > 0)
      writeOffsets(
        this.#path,
        name,
        entries.map(({ topicPartition: { topic, partition }, offsets }) => ({ topic, partition, offset: offsets[offset] })),
      )
    }
    this.#changed = false
  }

  #of(key: string): LogOffsets {
    return this.#known.get(key)?.offsets ?? NOTHING
  }
}

function readable(path: string, name: string, logger: Logger): Map<string, number> {
  try {
    return readOffsets(path, name)
  } catch (error) {
    if (errorCodeOf(error) !== 'ERR_MILLRACE_CHECKPOINT') throw error
    logger.warn({ dir: path, file: name }, `unreadable checkpoint ignored: ${errorText(error)}`)
    return new Map()
  }
}
