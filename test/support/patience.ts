// How long a test waits for what must come, before it says that it did not. A machine that stands still for a while, or is busy with others,
// takes little of it: no time between two looks counts for more than a step.

export const STEP_MS = 1000

/** The ms that are left, asked at every look. */
export function patience(limitMs: number): () => number {
  let left = limitMs
  let last = performance.now()
  return () => {
    const now = performance.now()
    left -= Math.min(now - last, STEP_MS)
    last = now
    return left
  }
}

/** Turns of the event loop until it holds. Given up after a minute: the assertion behind it says what does not. */
export async function turnsUntil(holds: () => boolean): Promise<void> {
  const left = patience(60_000)
  while (!holds() && left() > 0) await new Promise((resolve) => setImmediate(resolve))
}
