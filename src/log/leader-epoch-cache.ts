// Where each leader epoch began in this log: answers OffsetsForLeaderEpoch and says where a follower must truncate.
// Kept in `leader-epoch-checkpoint` (Kafka's text form), written before the first record of an epoch is appended and synced before such
// a record counts as durable: by the log's next sync, not here. A change of leaders changes the file of thousands of partitions in one turn of
// an event loop, and what power loss takes of it is found again in the batches.

import { join } from 'node:path'
import { readCheckpoint, writeCheckpoint, LEADER_EPOCH_FILE } from './checkpoints.js'
import { LogError } from './codes.js'
import type { EpochEndOffset } from './types.js'

export interface EpochStart {
  readonly epoch: number
  readonly startOffset: number
}

const UNKNOWN: EpochEndOffset = { leaderEpoch: -1, endOffset: -1 }

export class LeaderEpochCache {
  #dir: string
  /** Ascending in both fields. */
  #entries: EpochStart[] = []
  #unsynced = false
  /** An epoch of a log without a record is kept in memory until the first one comes: thousands of idle partitions have no such file. */
  #isPending = false

  /** Reads the file; `anew`: what it holds does not count. Throws ERR_MILLRACE_CHECKPOINT when it does not hold together. */
  constructor(dir: string, anew = false) {
    this.#dir = dir
    if (anew) return
    for (const line of readCheckpoint(dir, LEADER_EPOCH_FILE) ?? []) {
      const match = /^(\d+) (\d+)$/.exec(line)
      if (!match) throw new LogError('ERR_MILLRACE_CHECKPOINT', `${dir}/${LEADER_EPOCH_FILE}: unreadable line "${line}"`)
      this.#entries.push({ epoch: Number(match[1]), startOffset: Number(match[2]) })
    }
  }

  /** Its directory got another name. */
  movedTo(dir: string): void {
    this.#dir = dir
  }

  /** The file is behind: `write` is owed before the next record. */
  get isPending(): boolean {
    return this.#isPending
  }

  /** Writes what is pending. */
  write(): void {
    if (this.#isPending) this.#replace(this.#entries)
  }

  /** The file when it has changed since it was last taken to be synced. */
  takeUnsynced(): string | undefined {
    if (!this.#unsynced) return undefined
    this.#unsynced = false
    return join(this.#dir, LEADER_EPOCH_FILE)
  }

  get entries(): readonly EpochStart[] {
    return this.#entries
  }

  /** -1: no epoch seen. */
  get latestEpoch(): number {
    return this.#entries.length === 0 ? -1 : this.#entries[this.#entries.length - 1]!.epoch
  }

  /** Notes that `epoch` begins at `startOffset`; older or known epochs change nothing. `isEmptyLog`: the file may wait for the first record. */
  assign(epoch: number, startOffset: number, isEmptyLog = false): void {
    if (epoch <= this.latestEpoch || epoch < 0) return
    // entries at or after the new start hold no records any more
    const kept = this.#entries.filter((entry) => entry.startOffset < startOffset)
    const entries = [...kept, { epoch, startOffset }]
    if (!isEmptyLog || kept.length > 0) return this.#replace(entries)
    this.#entries = entries
    this.#isPending = true
  }

  /** Kafka's end offset: where the next larger epoch began, or the log's end for the newest one. */
  endOffsetFor(epoch: number, logEndOffset: number): EpochEndOffset {
    if (epoch < 0) return UNKNOWN
    if (epoch === this.latestEpoch) return { leaderEpoch: epoch, endOffset: logEndOffset }
    const higher = this.#entries.findIndex((entry) => entry.epoch > epoch)
    if (higher === -1) return UNKNOWN
    const endOffset = this.#entries[higher]!.startOffset
    return { leaderEpoch: higher === 0 ? epoch : this.#entries[higher - 1]!.epoch, endOffset }
  }

  /** The epoch under which the record at `offset` was written; -1 unknown. */
  epochFor(offset: number): number {
    for (let i = this.#entries.length - 1; i >= 0; i--) {
      if (this.#entries[i]!.startOffset <= offset) return this.#entries[i]!.epoch
    }
    return -1
  }

  /** Forgets epochs that began at or after `endOffset`. */
  truncateFromEnd(endOffset: number): void {
    if (this.#entries.every((entry) => entry.startOffset < endOffset)) return
    this.#replace(this.#entries.filter((entry) => entry.startOffset < endOffset))
  }

  /** Forgets epochs that ended before `startOffset`; the one that covers it now starts there. */
  truncateFromStart(startOffset: number): void {
    const covering = this.#entries.findLastIndex((entry) => entry.startOffset <= startOffset)
    if (covering === -1 || (covering === 0 && this.#entries[0]!.startOffset === startOffset)) return
    this.#replace([{ epoch: this.#entries[covering]!.epoch, startOffset }, ...this.#entries.slice(covering + 1)])
  }

  /**
   * Batches that were read back, in order, say what is in the log. After a power loss the file may know of a truncation, and of the epoch that
   * began there, that never reached the disk: then it would vouch for records of another history.
   */
  agreeWith(batches: Iterable<{ readonly leaderEpoch: number; readonly baseOffset: number }>): void {
    let found: EpochStart[] | undefined
    for (const { leaderEpoch: epoch, baseOffset: startOffset } of batches) {
      if (epoch < 0) continue
      if (found === undefined) {
        if (this.epochFor(startOffset) === epoch) continue
        found = this.#entries.filter((entry) => entry.startOffset < startOffset && entry.epoch <= epoch)
      }
      if (found.length === 0 || epoch > found[found.length - 1]!.epoch) found.push({ epoch, startOffset })
    }
    if (found) this.#replace(found)
  }

  clear(): void {
    if (this.#entries.length > 0) this.#replace([])
  }

  /** The file first, memory after: a failed write leaves both as they were. */
  #replace(entries: EpochStart[]): void {
    writeCheckpoint(
      this.#dir,
      LEADER_EPOCH_FILE,
      entries.map((entry) => `${entry.epoch} ${entry.startOffset}`),
      false,
    )
    this.#unsynced = true
    this.#isPending = false
    this.#entries = entries
  }
}
