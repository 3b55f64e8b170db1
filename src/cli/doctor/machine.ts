// Checks of this machine: runtime, addon, clock, limits, data directories. Each returns findings; none changes anything
// but a temporary file in a data directory, which it removes.

import {
  closeSync,
  existsSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  statfsSync,
  writeSync,
} from 'node:fs'
import { availableParallelism, totalmem, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { native } from '../../log/native.js'
import type { Finding } from '../doctor.js'
import { formatBytes } from '../output.js'

const MIN_NODE: readonly [number, number] = [20, 19]

export function checkNode(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const fine = major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1])
  const text = `Node.js ${process.versions.node} on ${process.platform} ${process.arch}`
  return fine
    ? { level: 'OK', check: 'node', text }
    : { level: 'FAIL', check: 'node', text, fix: `install Node.js ${MIN_NODE.join('.')} or newer` }
}

/** CRC32C of "123456789", from the polynomial's definition: the addon both loads and computes. */
const CHECK_CRC = 0xe3069283

export function checkAddon(): Finding {
  try {
    const crc = native().crc32c(new TextEncoder().encode('123456789'), 0, 9) >>> 0
    if (crc === CHECK_CRC) return { level: 'OK', check: 'addon', text: 'the native addon loads and computes' }
    return {
      level: 'FAIL',
      check: 'addon',
      text: `the native addon computes a wrong CRC32C (${crc.toString(16)})`,
      fix: 'build it again with npm run build',
    }
  } catch (error) {
    const text = `the native addon does not load: ${(error as Error).message.split('\n')[0]}`
    return {
      level: 'FAIL',
      check: 'addon',
      text,
      fix: 'build it with npm run build (needs Rust: https://rustup.rs), or install a prebuilt one with npm install',
    }
  }
}

/** When this was written; a clock before it is surely wrong. */
const NOT_BEFORE = Date.UTC(2025, 0, 1)

export function checkClock(): Finding {
  const now = Date.now()
  const text = `the clock says ${new Date(now).toISOString()}`
  if (now >= NOT_BEFORE) return { level: 'OK', check: 'clock', text }
  return {
    level: 'FAIL',
    check: 'clock',
    text: `${text}, which is in the past`,
    fix: 'set the clock and keep it by NTP: retention and timestamps go by it',
  }
}

const WANTED_DESCRIPTORS = 10_000

export function checkDescriptors(): Finding {
  const check = 'file descriptors'
  const limit = existsSync('/proc/self/limits') ? /Max open files\s+(\S+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] : undefined
  if (limit === undefined) return { level: 'OK', check, text: 'the limit is not readable on this system; ulimit -n shows it' }
  const count = limit === 'unlimited' ? Infinity : Number(limit)
  const text = `at most ${limit} open files`
  if (count >= WANTED_DESCRIPTORS) return { level: 'OK', check, text }
  return {
    level: 'WARN',
    check,
    text: `${text}; a connection takes one and a partition three or more`,
    fix: `raise it: ulimit -n 100000, or LimitNOFILE=100000 in the service unit`,
  }
}

/** Measured on an idle node: about 60 MB and 15 MB for each worker; the rest is what full buffers take. */
const WANTED_MEMORY = 512 * 1024 * 1024

export function checkMemory(workers: number): Finding {
  const total = Math.min(totalmem(), containerLimit())
  const text = `${formatBytes(total)} of memory, ${availableParallelism()} cores, ${workers} ${workers === 1 ? 'worker' : 'workers'}`
  if (total < WANTED_MEMORY)
    return { level: 'WARN', check: 'machine', text, fix: 'give the node 512 MiB, or lower millrace.max.buffered.bytes' }
  if (workers > availableParallelism())
    return { level: 'WARN', check: 'machine', text, fix: 'more workers than cores only take turns: lower --workers' }
  return { level: 'OK', check: 'machine', text }
}

function containerLimit(): number {
  try {
    const limit = Number(readFileSync('/sys/fs/cgroup/memory.max', 'utf8'))
    return Number.isNaN(limit) ? Infinity : limit
  } catch {
    return Infinity // no cgroup, or not Linux: the machine's own memory counts
  }
}

const LOW_SPACE = 1024 * 1024 * 1024

export function checkDataDir(dir: string): Finding[] {
  const check = `data ${dir}`
  const stat = statSync(dir, { throwIfNoEntry: false })
  if (stat && !stat.isDirectory())
    return [{ level: 'FAIL', check, text: 'it is a file, not a directory', fix: 'name a directory with --data-dir' }]
  const place = stat ? dir : nearestExisting(dir)
  let probe: string
  try {
    probe = mkdtempSync(join(place, '.millrace-doctor-'))
  } catch (error) {
    return [
      {
        level: 'FAIL',
        check,
        text: `not writable: ${(error as Error).message}`,
        fix: `give this user (uid ${process.getuid?.() ?? '?'}) the right to write in ${place}, or choose another with --data-dir`,
      },
    ]
  }
  try {
    const writable: Finding = {
      level: 'OK',
      check,
      text: stat ? `writable, holds ${countPartitions(dir)} partitions` : `will be created in ${place}, which is writable`,
    }
    return [
      writable,
      ...(stat ? checkLock(dir, check) : []),
      checkSpace(place, check),
      checkSync(probe, check),
      ...checkPlace(place, check),
    ]
  } finally {
    rmSync(probe, { recursive: true, force: true })
  }
}

function nearestExisting(dir: string): string {
  return existsSync(dir) ? dir : nearestExisting(dirname(dir))
}

function countPartitions(dir: string): number {
  return readdirSync(dir, { withFileTypes: true }).filter((entry) => entry.isDirectory() && /-\d+$/.test(entry.name)).length
}

/** Never creates the lock file: a directory without one is in use by nobody. */
function checkLock(dir: string, check: string): Finding[] {
  const path = join(dir, '.lock')
  if (!existsSync(path)) return []
  try {
    native().unlockFile(native().lockFile(path))
    return [{ level: 'OK', check, text: 'not locked by another process' }]
  } catch (error) {
    const locked = (error as NodeJS.ErrnoException).code === 'ERR_MILLRACE_LOCKED'
    const text = locked ? 'a running process has locked it' : `the lock cannot be tried: ${(error as Error).message}`
    return [{ level: 'WARN', check, text, fix: 'that is right while the node runs; to start a second one, give it its own --data-dir' }]
  }
}

function checkSpace(place: string, check: string): Finding {
  const { bavail, bsize, blocks } = statfsSync(place)
  const free = bavail * bsize
  const text = `${formatBytes(free)} free of ${formatBytes(blocks * bsize)}`
  if (free >= LOW_SPACE && bavail / blocks > 0.02) return { level: 'OK', check, text }
  return {
    level: free < LOW_SPACE / 8 ? 'FAIL' : 'WARN',
    check,
    text,
    fix: 'free space, or set retention.bytes on large topics; producers get an error when the disk is full',
  }
}

const SYNC_ROUNDS = 12
const SLOW_SYNC_MS = 25

function checkSync(probe: string, check: string): Finding {
  const fd = openSync(join(probe, 'sync'), 'w')
  const block = new Uint8Array(16_384)
  const times: number[] = []
  try {
    for (let i = 0; i < SYNC_ROUNDS; i++) {
      const start = performance.now()
      writeSync(fd, block, 0, block.length, i * block.length)
      fdatasyncSync(fd)
      times.push(performance.now() - start)
    }
  } finally {
    closeSync(fd)
  }
  times.sort((a, b) => a - b)
  const median = times[SYNC_ROUNDS / 2]!
  const text = `16 KiB written and synced in ${median.toFixed(2)} ms (median; slowest ${times.at(-1)!.toFixed(2)} ms)`
  if (median <= SLOW_SYNC_MS) return { level: 'OK', check, text }
  return {
    level: 'WARN',
    check,
    text,
    fix: 'millrace.ack=disk waits this long for every group of records; put the directory on a faster disk',
  }
}

/** Filesystems on which a log is not kept, or locks do not hold, by the magic number of statfs. */
const DOUBTFUL: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0xff534d42, 'CIFS'],
  [0x01021994, 'tmpfs: gone after a restart of the machine'],
])

function checkPlace(place: string, check: string): Finding[] {
  const kind = DOUBTFUL.get(statfsSync(place).type >>> 0)
  if (kind) return [{ level: 'WARN', check, text: `on ${kind}`, fix: 'use a local disk' }]
  if (place.startsWith(tmpdir()))
    return [
      { level: 'WARN', check, text: 'under the temporary directory, which may be cleaned', fix: 'choose a lasting place with --data-dir' },
    ]
  return []
}
