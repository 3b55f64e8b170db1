// The real environment: the process's clocks, timers, CSPRNG and a pino logger.

import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { performance } from 'node:perf_hooks'
import type { Clock, Env, Logger, Random, Timers } from './env.js'

export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}

export const realTimers: Timers = {
  after(delayMs, task) {
    const handle = setTimeout(task, delayMs)
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
  every(periodMs, task) {
    const handle = setInterval(task, periodMs)
    handle.unref()
    return { cancel: () => clearInterval(handle) }
  },
}

export const realRandom: Random = {
  next: () => Math.random(),
  bytes: (count) => randomBytes(count),
}

/** Drops every line: the default inside an embedding process. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
}

/** JSON lines on stderr (stdout belongs to the command's own output). `level` is a pino level name. */
export function createLogger(level: string): Logger {
  if (level === 'silent') return silentLogger
  // Loaded on first use: clients and short commands log nothing and should not pay for it.
  const { pino } = createRequire(import.meta.url)('pino') as typeof import('pino')
  return pino({ level, base: null }, pino.destination({ fd: 2, sync: true }))
}

export function realEnv(logger: Logger = silentLogger): Env {
  return { clock: realClock, timers: realTimers, random: realRandom, logger }
}
