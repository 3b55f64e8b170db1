// Everything nondeterministic stands behind these names: time, timers, randomness, logging.
// Real implementations: `real.ts`. Simulated twins live under test/. Deciding code takes an `Env` (or a
// part of one) and never calls Date, setTimeout, Math.random or crypto itself.

/** Wall clock and monotonic clock, both in milliseconds. */
export interface Clock {
  /** Milliseconds since the Unix epoch; may jump. */
  now(): number
  /** Milliseconds from an arbitrary start, the same for all threads of a process; never goes back. Use for timeouts and durations. */
  monotonic(): number
}

export interface Timer {
  cancel(): void
}

export interface Timers {
  /** Runs `task` once after `delayMs`. Does not keep the process alive. */
  after(delayMs: number, task: () => void): Timer
  /** Runs `task` every `periodMs` until cancelled. Does not keep the process alive. */
  every(periodMs: number, task: () => void): Timer
}

export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  /** Cryptographically strong (real) or seeded (simulated) bytes. */
  bytes(count: number): Uint8Array
}

/** Structured logger; the field object comes first, as in pino. */
export interface Logger {
  debug(fields: object, text: string): void
  info(fields: object, text: string): void
  warn(fields: object, text: string): void
  error(fields: object, text: string): void
  child(fields: object): Logger
}

export interface Env {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
}
