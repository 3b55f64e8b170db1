// `epochs`: what a member of several has promised (acceptedEpoch, to whom) and whose history it holds (currentEpoch). Text with a
// checksum, twice, written over in place by one durable write. A write that a stop tears spoils one copy at most, wherever it was torn:
// the other one is then the state before, or the new one. A copy that is damaged later has its twin, which says the same. So what was
// reported durable is never forgotten, and both copies bad is damage.

import path from 'node:path'
import { crc32c } from '@node-rs/crc32'
import type { StoreDisk } from './disk.js'

export interface StoredEpochs {
  readonly acceptedEpoch: number
  readonly acceptedFrom: number
  readonly currentEpoch: number
}

export const EPOCHS_FILE = 'epochs'
/** Each copy lies in a sector of its own, and in a page of its own. */
const COPY_BYTES = 512
const SECOND_AT = 4096

interface Numbered {
  readonly epochs: StoredEpochs
  /** Rises with every save. */
  readonly save: number
}

export function encodeEpochs({ acceptedEpoch, acceptedFrom, currentEpoch }: StoredEpochs, save: number): Buffer {
  const fields = `version=2\nsave=${save}\nacceptedEpoch=${acceptedEpoch}\nacceptedFrom=${acceptedFrom}\ncurrentEpoch=${currentEpoch}\n`
  const file = Buffer.alloc(SECOND_AT + COPY_BYTES, '\n')
  for (const at of [0, SECOND_AT]) file.write(`${fields}crc32c=${crc32c(fields).toString(16)}\n`, at)
  return file
}

/** Null: damaged. A member that forgot its promises must not vote. */
export function decodeEpochs(file: Buffer): Numbered | null {
  const copies = [0, SECOND_AT].map((at) => decodeCopy(file.toString('latin1', at, at + COPY_BYTES))).filter((copy) => copy !== null)
  return copies.reduce<Numbered | null>((newest, copy) => (newest !== null && newest.save >= copy.save ? newest : copy), null)
}

/** Format 1 has one copy, without a number, and nothing behind it. */
const FORMATS = [
  /^(version=2\nsave=(\d+)\nacceptedEpoch=(\d+)\nacceptedFrom=(-?\d+)\ncurrentEpoch=(\d+)\n)crc32c=([0-9a-f]+)\n+$/,
  /^(version=1()\nacceptedEpoch=(\d+)\nacceptedFrom=(-?\d+)\ncurrentEpoch=(\d+)\n)crc32c=([0-9a-f]+)\n$/,
]

function decodeCopy(text: string): Numbered | null {
  for (const format of FORMATS) {
    const match = format.exec(text)
    if (!match || crc32c(match[1]!).toString(16) !== match[6]) continue
    const epochs = { acceptedEpoch: Number(match[3]), acceptedFrom: Number(match[4]), currentEpoch: Number(match[5]) }
    return { epochs, save: Number(match[2]) }
  }
  return null
}

export class EpochsFile {
  readonly #disk: StoreDisk
  readonly #dir: string
  /** Null: there is none, or it is damaged. */
  readonly stored: StoredEpochs | null
  readonly isDamaged: boolean
  #exists: boolean
  #saves = 0
  #fd = -1

  /** Synchronous, at the start. What is there is written once more before it counts, as the log's end is (`recovery.ts`). */
  constructor(disk: StoreDisk, dir: string, trustsCache: boolean) {
    this.#disk = disk
    this.#dir = dir
    this.#exists = disk.list(dir).includes(EPOCHS_FILE)
    const bytes = this.#exists ? disk.read(this.#file) : null
    const found = bytes && decodeEpochs(bytes)
    this.isDamaged = bytes !== null && found === null
    this.stored = found?.epochs ?? null
    if (!found) return
    this.#saves = found.save
    const again = encodeEpochs(found.epochs, found.save)
    if (bytes!.length === again.length) {
      if (!trustsCache) disk.overwriteNow(this.#file, again, 0)
      return
    }
    disk.writeNow(`${this.#file}.tmp`, again)
    disk.renameNow(`${this.#file}.tmp`, this.#file)
    disk.syncDirNow(dir)
  }

  get #file(): string {
    return path.join(this.#dir, EPOCHS_FILE)
  }

  /** Durable when it resolves. `create` makes a whole new file, durable with its name. */
  async save(epochs: StoredEpochs, create: (name: string, bytes: Buffer) => Promise<void>): Promise<void> {
    const bytes = encodeEpochs(epochs, ++this.#saves)
    if (!this.#exists) {
      await create(EPOCHS_FILE, bytes)
      this.#exists = true
      return
    }
    if (this.#fd === -1) this.#fd = this.#disk.openLog(this.#file, false)
    await this.#disk.write(this.#fd, bytes, 0)
  }

  close(): void {
    if (this.#fd !== -1) this.#disk.close(this.#fd)
    this.#fd = -1
  }
}
