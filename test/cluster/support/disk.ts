// A small disk of its own for a data directory (tmpfs), that can be filled to the last byte and made free again. Needs root.

import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { atExit } from './at-exit.js'

const CHUNKS = [1 << 20, 1 << 12, 1]

function mount(dir: string, kibibytes: number): string | null {
  const { status, stderr, error } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${kibibytes}k`, 'tmpfs', dir], { encoding: 'utf8' })
  return error ? error.message : status === 0 ? null : stderr.trim()
}

/** Null: disks can be made; else why not. */
export function unavailable(): string | null {
  if (process.getuid?.() !== 0) return 'mounting a disk needs root'
  const dir = mkdtempSync(join(tmpdir(), 'millrace-disk-'))
  const problem = mount(dir, 1024)
  if (problem === null) spawnSync('umount', [dir])
  rmdirSync(dir)
  return problem
}

export class SmallDisk {
  readonly dir: string
  readonly #ballast: string
  readonly #closed: () => void

  constructor(dir: string, kibibytes: number) {
    mkdirSync(dir, { recursive: true })
    const problem = mount(dir, kibibytes)
    if (problem !== null) throw new Error(`no disk could be mounted at ${dir}: ${problem}`)
    this.dir = dir
    this.#ballast = join(dir, 'ballast')
    this.#closed = atExit(() => this.#unmount())
  }

  /** Nothing more can be written, except where a block has room. */
  fill(): void {
    const fd = openSync(this.#ballast, 'a')
    try {
      for (const size of CHUNKS) while (writes(fd, Buffer.alloc(size)));
    } finally {
      closeSync(fd)
    }
  }

  free(): void {
    rmSync(this.#ballast, { force: true })
  }

  close(): void {
    this.#closed()
    this.#unmount()
  }

  #unmount(): void {
    spawnSync('umount', ['-l', this.dir])
  }
}

function writes(fd: number, bytes: Buffer): boolean {
  try {
    return writeSync(fd, bytes) === bytes.length
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false
    throw error
  }
}
