// A disk in memory that keeps only what was synced. A crash loses unsynced names and renames (from some point of their
// order on), and leaves a write under way torn: nothing, a part, all of it, or some of the sectors that it was to overwrite. Writes take
// virtual time. It can be full, and a sync can fail: then what was written is read back, and is not on the disk, however often it is
// synced, until it is written again.

import type { StoreDisk } from '../../../src/ensemble/store/disk.js'
import type { Counts, SimWorld } from './world.js'

const SECTOR_BYTES = 512

interface File {
  /** As a process reads it. */
  bytes: Buffer
  /** As the disk has it, where that is something else. */
  onDisk?: Buffer
}

interface WriteUnderWay {
  readonly file: File
  readonly bytes: Buffer
  readonly position: number
}

export class SimDisk implements StoreDisk {
  readonly #world: SimWorld
  readonly #counts: Counts
  /** Names as a process sees them, and as they would be after a crash. */
  #names = new Map<string, File>()
  #durable = new Map<string, File>()
  /** Changes of names that are not durable, in order. */
  #unsynced: ((names: Map<string, File>) => void)[] = []
  readonly #open = new Map<number, File>()
  readonly #underWay = new Set<WriteUnderWay>()
  #nextFd = 3
  #life = 0
  /** Milliseconds of a durable write. */
  latency: () => number
  /** No file grows. */
  full = false
  /** The next durable write fails. */
  failsNextSync = false

  constructor(world: SimWorld, counts: Counts) {
    this.#world = world
    this.#counts = counts
    this.latency = () => world.between(0.2, 2)
  }

  /** The process and the machine's memory are gone. */
  crash(): void {
    this.#life++
    const { random } = this.#world
    for (const { file, bytes, position } of this.#underWay) {
      const kept = this.#world.pick([0, Math.floor(random.next() * bytes.length), bytes.length])
      if (kept > 0 && kept < bytes.length) this.#counts.add('torn write')
      if (kept === 0) this.#counts.add('lost write')
      // A file only grows in order; inside of it a disk writes its sectors as it likes.
      const inside = position + bytes.length <= file.bytes.length
      if (inside && this.#world.chance(0.5)) this.#keepSomeSectors(file, bytes, position)
      else place(file, bytes.subarray(0, kept), position)
    }
    this.#underWay.clear()
    const survive = Math.floor(random.next() * (this.#unsynced.length + 1))
    if (survive < this.#unsynced.length) this.#counts.add('lost rename')
    for (const change of this.#unsynced.slice(0, survive)) change(this.#durable)
    this.#unsynced = []
    for (const file of this.#durable.values()) {
      if (file.onDisk) this.#counts.add('lost page cache')
      file.bytes = file.onDisk ?? file.bytes
      delete file.onDisk
    }
    this.#names = new Map(this.#durable)
    this.#open.clear()
  }

  /** The process is gone, the machine goes on: what it wrote is there, whether the disk has it or not. */
  exit(): void {
    this.#life++
    for (const { file, bytes, position } of this.#underWay) place(file, bytes, position)
    this.#underWay.clear()
    this.#open.clear()
  }

  #keepSomeSectors(file: File, bytes: Buffer, position: number): void {
    const end = position + bytes.length
    let lost = 0
    for (let at = position; at < end;) {
      const next = Math.min(at - (at % SECTOR_BYTES) + SECTOR_BYTES, end)
      if (this.#world.chance(0.5)) place(file, bytes.subarray(at - position, next - position), at)
      else {
        lost++
        if (next < end) this.#counts.add('hole in a write')
      }
      at = next
    }
    if (lost > 0) this.#counts.add('torn write')
  }

  #change(change: (names: Map<string, File>) => void): void {
    change(this.#names)
    this.#unsynced.push(change)
  }

  /** Resolves after the disk's time, unless the process is gone by then. */
  #takesTime(act: () => void): Promise<void> {
    const life = this.#life
    return new Promise((resolve) => {
      this.#world.after(this.latency(), () => {
        if (life !== this.#life) return
        act()
        resolve()
      })
    })
  }

  /** Takes the disk's time and fails, having done `part`. */
  #fails(code: 'ENOSPC' | 'EIO', part: () => void): Promise<void> {
    this.#counts.add(code === 'EIO' ? 'failed fsync' : 'full disk')
    const life = this.#life
    return new Promise((_, reject) => {
      this.#world.after(this.latency(), () => {
        if (life !== this.#life) return
        part()
        reject(Object.assign(new Error(`${code}: simulated`), { code }))
      })
    })
  }

  /** What a write comes to that fails; null: it does not. */
  #failing(file: File, bytes: Buffer, position: number): Promise<void> | null {
    if (this.failsNextSync) {
      this.failsNextSync = false
      return this.#fails('EIO', () => {
        file.onDisk ??= Buffer.from(file.bytes)
        file.bytes = grown(file.bytes, position + bytes.length)
        bytes.copy(file.bytes, position)
      })
    }
    if (!this.full || position + bytes.length <= file.bytes.length) return null
    return this.#fails('ENOSPC', () => place(file, bytes.subarray(0, bytes.length >> 1), position))
  }

  ensureDir(): void {}

  list(dir: string): string[] {
    return [...this.#names.keys()]
      .filter((name) => name.startsWith(`${dir}/`))
      .map((name) => name.slice(dir.length + 1))
      .toSorted()
  }

  read(file: string): Buffer {
    return Buffer.from(this.#file(file).bytes)
  }

  #file(name: string): File {
    const file = this.#names.get(name)
    if (!file) throw Object.assign(new Error(`ENOENT: ${name}`), { code: 'ENOENT' })
    return file
  }

  renameNow(from: string, to: string): void {
    const file = this.#file(from)
    this.#change((names) => {
      names.delete(from)
      names.set(to, file)
    })
  }

  unlinkNow(file: string): void {
    this.#file(file)
    this.#change((names) => void names.delete(file))
  }

  writeNow(name: string, bytes: Uint8Array): void {
    const file = { bytes: Buffer.from(bytes) }
    this.#change((names) => void names.set(name, file))
  }

  truncateNow(file: string, size: number): void {
    const of = this.#file(file)
    of.bytes = Buffer.from(of.bytes.subarray(0, size))
    if (of.onDisk) of.onDisk = Buffer.from(of.onDisk.subarray(0, size))
  }

  overwriteNow(file: string, bytes: Uint8Array, position: number): void {
    place(this.#file(file), Buffer.from(bytes), position)
  }

  syncDirNow(): void {
    for (const change of this.#unsynced) change(this.#durable)
    this.#unsynced = []
  }

  openLog(name: string, create: boolean): number {
    if (create) this.writeNow(name, new Uint8Array(0))
    const fd = this.#nextFd++
    this.#open.set(fd, this.#file(name))
    return fd
  }

  close(fd: number): void {
    this.#open.delete(fd)
  }

  write(fd: number, bytes: Buffer, position: number): Promise<void> {
    const write = { file: this.#open.get(fd)!, bytes, position }
    const failing = this.#failing(write.file, bytes, position)
    if (failing) return failing
    this.#underWay.add(write)
    return this.#takesTime(() => {
      this.#underWay.delete(write)
      place(write.file, bytes, position)
    })
  }

  writeFile(name: string, bytes: Uint8Array): Promise<void> {
    const file = { bytes: Buffer.alloc(0) }
    const write = { file, bytes: Buffer.from(bytes), position: 0 }
    this.#change((names) => void names.set(name, file))
    const failing = this.#failing(file, write.bytes, 0)
    if (failing) return failing
    this.#underWay.add(write)
    return this.#takesTime(() => {
      this.#underWay.delete(write)
      file.bytes = write.bytes
    })
  }

  breathe(): Promise<void> {
    return this.wait(0)
  }

  wait(ms: number): Promise<void> {
    const life = this.#life
    return new Promise((resolve) => this.#world.after(ms, () => void (life === this.#life && resolve())))
  }

  async rename(from: string, to: string): Promise<void> {
    this.renameNow(from, to)
  }

  async unlink(file: string): Promise<void> {
    this.unlinkNow(file)
  }

  syncDir(dir: string): Promise<void> {
    if (![...this.#names.keys()].some((name) => name.startsWith(`${dir}/`))) return Promise.resolve()
    // What is asked to be durable is what was changed before the call.
    const count = this.#unsynced.length
    return this.#takesTime(() => {
      for (const change of this.#unsynced.splice(0, count)) change(this.#durable)
    })
  }
}

/** Durably. */
function place(file: File, bytes: Buffer, position: number): void {
  file.bytes = grown(file.bytes, position + bytes.length)
  bytes.copy(file.bytes, position)
  if (!file.onDisk) return
  file.onDisk = grown(file.onDisk, position + bytes.length)
  bytes.copy(file.onDisk, position)
}

function grown(bytes: Buffer, size: number): Buffer {
  if (size <= bytes.length) return bytes
  const longer = Buffer.alloc(size)
  bytes.copy(longer)
  return longer
}
