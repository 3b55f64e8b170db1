// What the commands of this folder share: the machine's state, directories of their own, a child that runs a node, medians, and what this
// disk and this kernel do alone (the figures everything else is compared with). Ends only what it started.

import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, fdatasyncSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

const MAIN = resolve(import.meta.dirname, '../../src/cli/main.js')
const READY_LIMIT_MS = 30_000
const STOP_LIMIT_MS = 20_000

export function machine(): { cpu: string; cores: number; node: string; load: number } {
  return { cpu: cpus()[0]?.model.trim() ?? 'unknown', cores: cpus().length, node: process.version, load: round(loadavg()[0]!) }
}

export function printMachine(): void {
  const { cpu, cores, node, load } = machine()
  console.log(`${cpu}, ${cores} cores, Node ${node}, load ${load} at the start: figures are worth as much as the machine was free`)
}

/** A directory of this run, under `parent`; it is gone after `use`, however that ends. */
export async function withDirectory<T>(parent: string | undefined, use: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(parent ?? tmpdir(), 'millrace-system-'))
  try {
    return await use(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export function round(value: number, digits = 2): number {
  return Number(value.toFixed(digits))
}

export interface Server {
  readonly pid: number
  readonly bootstrap: string
  /** From before the spawn until the ready line was read. */
  readonly readyMs: number
  stop(): Promise<void>
}

export async function startServer(dataDir: string, workers: number | undefined, settings: readonly string[] = []): Promise<Server> {
  const args = [MAIN, 'serve', '--json', '--log-level', 'error', '--listen', '127.0.0.1:0', '--data-dir', dataDir]
  if (workers !== undefined) args.push('--workers', String(workers))
  for (const setting of settings) args.push('--set', setting)
  const began = performance.now()
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const line = await firstLine(child)
    const readyMs = performance.now() - began
    const ready = JSON.parse(line) as { readonly kafka: readonly string[] }
    return { pid: child.pid!, bootstrap: ready.kafka[0]!, readyMs, stop: () => end(child) }
  } catch (error) {
    await end(child)
    throw error
  }
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((done, reject) => {
    const timer = setTimeout(() => reject(new Error(`the server was not ready within ${READY_LIMIT_MS} ms`)), READY_LIMIT_MS)
    createInterface({ input: child.stdout! }).once('line', (line) => {
      clearTimeout(timer)
      done(line)
    })
    child.once('exit', (code) => {
      clearTimeout(timer)
      reject(new Error(`the server ended with ${code} before it was ready`))
    })
  })
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((done) => child.once('exit', done))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS)
  await ended
  clearTimeout(timer)
}

/** Writes blocks one after the other into a file of its own, each followed by fdatasync where asked. */
export function writeAlone(
  directory: string,
  blockBytes: number,
  seconds: number,
  sync: boolean,
): { mbPerSecond: number; syncsPerSecond: number } {
  const path = join(directory, 'write-alone')
  const file = openSync(path, 'w')
  const block = Buffer.alloc(blockBytes, 65)
  // The page cache is what is measured without sync, not memory running out: the file is begun again at this size.
  const wrap = 512 * 1024 * 1024
  let blocks = 0
  let position = 0
  const began = performance.now()
  const deadline = began + seconds * 1000
  try {
    while (performance.now() < deadline) {
      writeSync(file, block, 0, blockBytes, position)
      if (sync) fdatasyncSync(file)
      blocks++
      position += blockBytes
      if (!sync && position >= wrap) break
    }
    const took = (performance.now() - began) / 1000
    return { mbPerSecond: round((blocks * blockBytes) / took / 1e6, 1), syncsPerSecond: sync ? round(blocks / took, 1) : 0 }
  } finally {
    closeSync(file)
    rmSync(path)
  }
}

/**
 * Flush requests the device completed, from /proc/diskstats: one per fsync that reached it. Fsyncs that the kernel merged are counted once,
 * those of other processes are counted too. Undefined where the device is not found there.
 */
export function flushCounter(directory: string): (() => number) | undefined {
  const { dev } = statSync(directory)
  const major = (dev >> 8) & 0xfff
  const minor = (dev & 0xff) | ((dev >> 12) & 0xfff00)
  const read = (): number | undefined => {
    for (const line of readFileSync('/proc/diskstats', 'latin1').split('\n')) {
      const fields = line.trim().split(/\s+/)
      if (Number(fields[0]) === major && Number(fields[1]) === minor && fields.length >= 19) return Number(fields[18])
    }
    return undefined
  }
  try {
    return read() === undefined ? undefined : () => read()!
  } catch {
    return undefined
  }
}
