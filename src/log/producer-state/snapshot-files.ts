// The `%020d.snapshot` files of one partition directory: the producer state as it was just below that offset. Written at
// every roll and at a clean close; recovery starts from the newest one that is whole.

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileName, offsetOfFile, readFileIfAny, removeIfAny, renameIfAny, replaceFile, SUFFIX } from '../files.js'
import { native } from '../native.js'
import { decodeSnapshot, encodeSnapshot } from './snapshot.js'
import type { ProducerEntry } from './producer-entry.js'
import type { ProducerState } from './producer-state.js'

const crc32c = (data: Uint8Array, offset: number, length: number): number => native().crc32c(data, offset, length)

export class SnapshotFiles {
  #dir: string
  /** Ascending. */
  #offsets: number[]

  constructor(dir: string, isFresh = false) {
    this.#dir = dir
    this.#offsets = (isFresh ? [] : readdirSync(dir))
      .map((name) => offsetOfFile(name, SUFFIX.snapshot))
      .filter((offset) => offset !== undefined)
      .sort((a, b) => a - b)
  }

  /** Its directory got another name. */
  movedTo(dir: string): void {
    this.#dir = dir
  }

  get offsets(): readonly number[] {
    return this.#offsets
  }

  get latestOffset(): number {
    return this.#offsets.length === 0 ? -1 : this.#offsets[this.#offsets.length - 1]!
  }

  pathOf(offset: number): string {
    return join(this.#dir, fileName(offset, SUFFIX.snapshot))
  }

  /** Renamed into place, so that a crash leaves no half file; fsynced by the caller when it must survive power loss. */
  write(offset: number, state: ProducerState, durable: boolean): void {
    replaceFile(this.#dir, fileName(offset, SUFFIX.snapshot), encodeSnapshot(state.entries(), state.size, crc32c), durable)
    this.#offsets = [...this.#offsets.filter((other) => other !== offset), offset].sort((a, b) => a - b)
  }

  /** The newest valid snapshot at or below `offset`. Damaged ones are removed on the way: older ones and the log still hold all they held. */
  newestUpTo(offset: number): { offset: number; entries: ProducerEntry[] } | undefined {
    for (const candidate of this.#offsets.filter((other) => other <= offset).reverse()) {
      const entries = decodeSnapshot(readFileIfAny(this.pathOf(candidate)) ?? new Uint8Array(0), crc32c)
      if (entries) return { offset: candidate, entries }
      this.remove(candidate)
    }
    return undefined
  }

  remove(offset: number): void {
    removeIfAny(this.pathOf(offset))
    this.#offsets = this.#offsets.filter((other) => other !== offset)
  }

  /** The file is gone already. */
  forget(offset: number): void {
    this.#offsets = this.#offsets.filter((other) => other !== offset)
  }

  /** Keeps one for every segment and the newest: older stops leave others behind. */
  retain(segmentBaseOffsets: readonly number[]): void {
    const kept = new Set([...segmentBaseOffsets, this.latestOffset])
    for (const other of this.#offsets) if (!kept.has(other)) this.remove(other)
  }

  removeAbove(offset: number): void {
    for (const other of this.#offsets) if (other > offset) this.remove(other)
  }

  removeAll(): void {
    for (const other of this.#offsets) this.remove(other)
  }

  /** Renames it for a delayed removal. Returns the new path, or undefined when there was none. */
  markDeleted(offset: number): string | undefined {
    const path = this.pathOf(offset)
    this.#offsets = this.#offsets.filter((other) => other !== offset)
    return renameIfAny(path, path + SUFFIX.deleted) ? path + SUFFIX.deleted : undefined
  }
}
