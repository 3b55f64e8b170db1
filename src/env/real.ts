// The real environment: the process's clocks, timers, CSPRNG and a pino logger.

import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { performance } from 'node:perf_hooks'
import type { Clock, Env, Logger, Random, Timers } from './env.js'

/** performance.now() counts from the start of its thread; a deadline that one thread sets must mean the same to another. */
const threadStart = startOfThread()

export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => threadStart + performance.now(),
}

/** On the clock that all threads share. Of several looks the one that was least interrupted. */
function startOfThread(): number {
  let start = Infinity
  for (let look = 0; look < 5; look++) {
    const own = performance.now()
    start = Math.min(start, Number(process.hrtime.bigint()) / 1e6 - own)
  }
  return start
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

/** `realTimers` let the process end; who waits for `work` is not to be left in the middle of it. */
export async function stayAlive<T>(work: Promise<T>): Promise<T> {
  const handle = setInterval(() => {}, 1 << 30)
  try {
    return await work
  } finally {
    clearInterval(handle)
  }
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

/** Pino's levels. */
const LEVELS: Readonly<Record<string, number>> = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60, silent: Infinity }

/**
 * JSON lines on stderr (stdout belongs to the command's own output). `level` is a pino level name. Pino is loaded by the first line that
 * is really written: most threads never write one, and its loading is a tenth of a start.
 */
export function createLogger(level: string): Logger {
  if (level === 'silent') return silentLogger
  let root: Logger | undefined
  return lazyLogger(LEVELS[level] ?? LEVELS['info']!, () => {
    if (root === undefined) {
      const { pino } = createRequire(import.meta.url)('pino') as typeof import('pino')
      root = pino({ level, base: null }, pino.destination({ fd: 2, sync: true }))
    }
    return root
  })
}

/** Drops what is below `threshold` by itself, and asks for the real logger with the first line that is not. */
function lazyLogger(threshold: number, open: () => Logger): Logger {
  const nothing = (): void => {}
  const level = (name: 'debug' | 'info' | 'warn' | 'error') =>
    LEVELS[name]! < threshold ? nothing : (fields: object, text: string): void => open()[name](fields, text)
  return {
    debug: level('debug'),
    info: level('info'),
    warn: level('warn'),
    error: level('error'),
    child: (fields) => {
      let own: Logger | undefined
      return lazyLogger(threshold, () => (own ??= open().child(fields)))
    },
  }
}

export function realEnv(logger: Logger = silentLogger): Env {
  return { clock: realClock, timers: realTimers, random: realRandom, logger }
}
