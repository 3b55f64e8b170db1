// Wakes the load generator when the next record is due. A thread of its own because timers of the event loop are a millisecond coarse, and
// waiting for a record in a busy loop would take a core from the server. Sleeps on a futex, which is exact to about 60 µs.

import { parentPort, workerData } from 'node:worker_threads'

export interface PacerData {
  /** [0] stops the thread, [1] is 1 while a tick waits to be taken. */
  readonly state: SharedArrayBuffer
  /** Milliseconds of process.hrtime. */
  readonly startMs: number
  readonly intervalMs: number
}

const data = workerData as PacerData
const state = new Int32Array(data.state)
const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6

for (let tick = 0; Atomics.load(state, 0) === 0; tick++) {
  for (;;) {
    const wait = data.startMs + tick * data.intervalMs - nowMs()
    if (wait <= 0) break
    if (Atomics.wait(state, 0, 0, Math.min(wait, 100)) !== 'timed-out') break
  }
  // A generator that is behind learns all that is due at its next tick.
  if (Atomics.exchange(state, 1, 1) === 0) parentPort?.postMessage(0)
  const behind = Math.floor((nowMs() - data.startMs) / data.intervalMs)
  if (behind > tick) tick = behind
}
