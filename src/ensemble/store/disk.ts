// The file operations of a member's store, by name, so that a simulation can put a disk behind them that loses what was
// not synced. Asynchronous ones run on libuv's pool; the synchronous ones are used at start, before anything is served,
// and for the rare cutting of a log.

import fs from 'node:fs'
import { open, rename, unlink } from 'node:fs/promises'
import { promisify } from 'node:util'

export interface StoreDisk {
  /** Makes the directory when there is none; its own name is durable after syncDir of the one above. */
  ensureDir(dir: string): void
  list(dir: string): string[]
  read(file: string): Buffer
  /** Not durable before syncDirNow. */
  renameNow(from: string, to: string): void
  unlinkNow(file: string): void
  /** Durable when it returns. */
  writeNow(file: string, bytes: Uint8Array): void
  truncateNow(file: string, size: number): void
  /** Over what is there, durable when it returns. */
  overwriteNow(file: string, bytes: Uint8Array, position: number): void
  syncDirNow(dir: string): void
  /** For `write`; `create`: it must not exist. */
  openLog(file: string, create: boolean): number
  close(fd: number): void
  /** Durable when it resolves. */
  write(fd: number, bytes: Buffer, position: number): Promise<void>
  /** A whole new file, durable when it resolves; its name is durable after syncDir. */
  writeFile(file: string, bytes: Uint8Array): Promise<void>
  rename(from: string, to: string): Promise<void>
  unlink(file: string): Promise<void>
  syncDir(dir: string): Promise<void>
  /** Between two slices of long work: what else waits for the thread comes first. */
  breathe(): Promise<void>
  /** Keeps the process alive meanwhile: somebody is owed an answer. */
  wait(ms: number): Promise<void>
}

const LINUX = process.platform === 'linux'
/** On Linux one O_DSYNC write does what write and fdatasync do, in one trip to the pool instead of two. */
const DURABLE_WRITES = LINUX ? fs.constants.O_DSYNC : 0
const { O_WRONLY, O_CREAT, O_EXCL } = fs.constants

const write = promisify(fs.write)
const fdatasync = promisify(fs.fdatasync)
const fsync = promisify(fs.fsync)

async function writeDurably(fd: number, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await write(fd, bytes, done, bytes.length - done, position + done)).bytesWritten
  }
  if (!LINUX) await fdatasync(fd)
}

function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) done += fs.writeSync(fd, bytes, done, bytes.length - done, position + done)
}

/** Opens `file`, lets `act` have the descriptor, syncs and closes. */
function synced(file: string, flags: string, act: (fd: number) => void): void {
  const fd = fs.openSync(file, flags)
  try {
    act(fd)
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

export const realDisk: StoreDisk = {
  ensureDir: (dir) => void fs.mkdirSync(dir, { recursive: true }),
  list: (dir) => fs.readdirSync(dir),
  read: (file) => fs.readFileSync(file),
  renameNow: (from, to) => fs.renameSync(from, to),
  unlinkNow: (file) => fs.unlinkSync(file),
  writeNow: (file, bytes) => synced(file, 'w', (fd) => fs.writeFileSync(fd, bytes)),
  overwriteNow: (file, bytes, position) => synced(file, 'r+', (fd) => writeAll(fd, bytes, position)),
  truncateNow: (file, size) => synced(file, 'r+', (fd) => fs.ftruncateSync(fd, size)),
  syncDirNow: (dir) => synced(dir, 'r', () => undefined),
  openLog: (file, create) => fs.openSync(file, O_WRONLY | DURABLE_WRITES | (create ? O_CREAT | O_EXCL : 0), 0o644),
  close: (fd) => fs.closeSync(fd),
  write: writeDurably,
  async writeFile(file, bytes) {
    const handle = await open(file, 'w')
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
  },
  rename,
  unlink,
  breathe: () => new Promise((resolve) => setImmediate(resolve)),
  wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  async syncDir(dir) {
    const fd = fs.openSync(dir, 'r')
    try {
      await fsync(fd)
    } finally {
      fs.closeSync(fd)
    }
  },
}
