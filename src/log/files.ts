// Names and small file operations of a partition directory: atomic replacement, directory fsync, Kafka's file names.
// Synchronous where the caller must not continue before it is done; used outside the append path.

import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, statSync, unlinkSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { errorCodeOf } from './codes.js'

export const SUFFIX = {
  log: '.log',
  index: '.index',
  timeIndex: '.timeindex',
  txnIndex: '.txnindex',
  snapshot: '.snapshot',
  deleted: '.deleted',
  cleaned: '.cleaned',
  swap: '.swap',
} as const

/** Offsets in file names have twenty digits, so that names sort as offsets do. */
export function fileName(offset: number, suffix: string): string {
  return String(offset).padStart(20, '0') + suffix
}

/** The offset in `name` when it ends with `suffix` and nothing more. */
export function offsetOfFile(name: string, suffix: string): number | undefined {
  if (!name.endsWith(suffix)) return undefined
  const digits = name.slice(0, -suffix.length)
  return /^\d{20}$/.test(digits) ? Number(digits) : undefined
}

export function isMissing(error: unknown): boolean {
  return errorCodeOf(error) === 'ENOENT'
}

export function readFileIfAny(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

export function removeIfAny(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

export function renameIfAny(from: string, to: string): boolean {
  try {
    renameSync(from, to)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

export function writeWhole(path: string, bytes: Uint8Array, durable: boolean): void {
  const fd = openSync(path, 'w')
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at)
    if (durable) fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Readers see the old content or the new, never a mix; with `durable` it also survives power loss once this returns. */
export function replaceFile(dir: string, name: string, bytes: Uint8Array, durable = true): void {
  const temporary = join(dir, `${name}.tmp`)
  try {
    writeWhole(temporary, bytes, durable)
  } catch (error) {
    removeIfAny(temporary)
    throw error
  }
  renameSync(temporary, join(dir, name))
  if (durable) syncDirNow(dir)
}

export function syncDirNow(dir: string): void {
  const fd = openSync(dir, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** fsync of a file or directory off this thread's event loop. A file that is gone needs none. */
export async function syncPath(path: string): Promise<void> {
  let handle
  try {
    handle = await open(path, 'r')
  } catch (error) {
    if (isMissing(error)) return
    throw error
  }
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** With those above it that are missing, one by one: node's own `recursive` never ends where the system makes none (below /proc). */
export function makeDirectories(path: string): void {
  if (isDirectory(path)) return
  const parent = dirname(path)
  if (parent !== path) makeDirectories(parent)
  try {
    mkdirSync(path)
  } catch (error) {
    // Another process may have made it meanwhile.
    if (errorCodeOf(error) !== 'EEXIST' || !isDirectory(path)) throw error
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}
