// A disk in memory that keeps only what was synced. A crash loses unsynced names and renames (from some point of their
// order on), and leaves a write under way torn: nothing, a part, all of it, or some of the sectors that it was to overwrite. Writes take
// virtual time.

import type { StoreDisk } from '../../../src/ensemble/store/disk.js'
import type { Counts, SimWorld } from './world.js'

const SECTOR_BYTES = 512

interface File {
  bytes: Buffer
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
    this.#names = new Map(this.#durable)
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
    this.#underWay.add(write)
    return this.#takesTime(() => {
      this.#underWay.delete(write)
      place(write.file, bytes, position)
    })
  }

  writeFile(name: string, bytes: Uint8Array): Promise<void> {
    const file = { bytes: Buffer.alloc(0) }
    const write = { file, bytes: Buffer.from(bytes), position: 0 }
    this.#underWay.add(write)
    this.#change((names) => void names.set(name, file))
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

function place(file: File, bytes: Buffer, position: number): void {
  if (position + bytes.length > file.bytes.length) {
    const grown = Buffer.alloc(position + bytes.length)
    file.bytes.copy(grown)
    file.bytes = grown
  }
  bytes.copy(file.bytes, position)
}
