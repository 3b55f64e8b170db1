// `.txnindex`: the aborted transactions whose markers lie in one segment, in Kafka's form (version 0, 34 bytes each:
// int16 version, int64 producer id, first offset, last offset, last stable offset). Loaded on first use; few entries.

import { closeSync, ftruncateSync, openSync, truncateSync, writeSync } from 'node:fs'
import { basename, join } from 'node:path'
import { errorCodeOf, isFullDisk, LogError } from './codes.js'
import { fileName, readFileIfAny, removeIfAny, SUFFIX } from './files.js'

const ENTRY_SIZE = 34

export interface AbortedEntry {
  readonly producerId: number
  readonly firstOffset: number
  /** Offset of the marker. */
  readonly lastOffset: number
  /** The last stable offset once this transaction was decided. */
  readonly lastStableOffset: number
}

export class TransactionIndex {
  #path: string
  #entries: AbortedEntry[] | undefined
  #unwritten: AbortedEntry[] = []

  constructor(dir: string, baseOffset: number) {
    this.#path = join(dir, fileName(baseOffset, SUFFIX.txnIndex))
  }

  /** Its directory got another name. */
  movedTo(dir: string): void {
    this.#path = join(dir, basename(this.#path))
  }

  get path(): string {
    return this.#path
  }

  entries(): readonly AbortedEntry[] {
    return (this.#entries ??= decode(readFileIfAny(this.#path) ?? new Uint8Array(0)))
  }

  /** In memory at once; in the file when there is space, at the latest before the segment counts as synced. */
  append(entry: AbortedEntry): void {
    this.entries()
    this.#entries!.push(entry)
    this.#unwritten.push(entry)
    try {
      this.flush()
    } catch (error) {
      // readers are served from memory; a crash rebuilds the file, a roll or a clean close needs it written
      if (!isFullDisk(errorCodeOf(error))) throw error
    }
  }

  /** Writes what a full disk refused before. */
  flush(): void {
    if (this.#unwritten.length === 0) return
    const written = (this.#entries!.length - this.#unwritten.length) * ENTRY_SIZE
    const fd = openSync(this.#path, 'a')
    try {
      ftruncateSync(fd, written) // a try that got half way
      const bytes = encodeAborted(this.#unwritten)
      if (writeSync(fd, bytes) !== bytes.length) throw new LogError('ENOSPC', `${this.#path}: the file system took only part of an entry`)
    } finally {
      closeSync(fd)
    }
    this.#unwritten = []
  }

  /** Forgets markers at or after `offset`. */
  truncateTo(offset: number): void {
    const kept = this.entries().filter((entry) => entry.lastOffset < offset)
    if (kept.length === this.#entries!.length) return
    this.flush()
    truncateSync(this.#path, kept.length * ENTRY_SIZE)
    this.#entries = kept
  }

  /** Empties it before recovery writes it anew. */
  reset(): void {
    removeIfAny(this.#path)
    this.#entries = []
    this.#unwritten = []
  }
}

export function encodeAborted(entries: readonly AbortedEntry[]): Uint8Array {
  const bytes = new Uint8Array(ENTRY_SIZE * entries.length)
  const view = new DataView(bytes.buffer)
  entries.forEach((entry, i) => {
    const at = i * ENTRY_SIZE
    view.setBigInt64(at + 2, BigInt(entry.producerId))
    view.setBigInt64(at + 10, BigInt(entry.firstOffset))
    view.setBigInt64(at + 18, BigInt(entry.lastOffset))
    view.setBigInt64(at + 26, BigInt(entry.lastStableOffset))
  })
  return bytes
}

function decode(bytes: Uint8Array): AbortedEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const entries: AbortedEntry[] = []
  for (let at = 0; at + ENTRY_SIZE <= bytes.length; at += ENTRY_SIZE) {
    entries.push({
      producerId: Number(view.getBigInt64(at + 2)),
      firstOffset: Number(view.getBigInt64(at + 10)),
      lastOffset: Number(view.getBigInt64(at + 18)),
      lastStableOffset: Number(view.getBigInt64(at + 26)),
    })
  }
  return entries
}
