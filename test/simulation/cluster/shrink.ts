// Makes a failing seed smaller: less time, then fewer kinds of faults, as long as it fails with any message. What is left is what to look at.

import { FAULT_KINDS, type FaultKind } from './faults.js'
import { runSeed, type RunOptions } from './run.js'

const SHORTEST_MS = 200

export interface Shrunk {
  readonly options: RunOptions
  readonly message: string
  readonly runs: number
}

/** `options` failed with `message`. Once `isStopped`, what is left is as small as it was got until then. */
export async function shrink(options: RunOptions, durationMs: number, message: string, isStopped = () => false): Promise<Shrunk> {
  let best: Shrunk = { options: { ...options, durationMs }, message, runs: 0 }
  let runs = 0
  const attempt = async (change: Partial<RunOptions>): Promise<boolean> => {
    const smaller = { ...best.options, ...change }
    runs++
    const failure = await runSeed(smaller).then(
      () => null,
      (error: Error) => error.message,
    )
    if (failure !== null) best = { options: smaller, message: failure, runs }
    return failure !== null
  }
  // A shorter run draws the same until its end: where the failure needs what came after, longer steps fail and shorter ones are tried.
  let shortest = SHORTEST_MS
  for (let longest = durationMs; longest - shortest > 50 && !isStopped();) {
    const middle = Math.round((longest + shortest) / 2)
    if (await attempt({ durationMs: middle })) longest = middle
    else shortest = middle
  }
  for (const kind of FAULT_KINDS) if (!isStopped()) await attempt({ without: [...(best.options.without ?? []), kind] })
  return { ...best, runs }
}

/** The arguments that replay it. */
export function commandOf({ seed, durationMs, nodes, recordsOnly, without, planted }: RunOptions): string {
  const parts: (readonly [string, string | number | undefined])[] = [
    ['--from', seed],
    ['--duration', durationMs],
    ['--nodes', nodes],
    ['--without', without?.join()],
    ['--planted', planted],
  ]
  const given = parts.filter(([, value]) => value !== undefined && value !== '').map(([name, value]) => `${name} ${value}`)
  return ['--seeds 1', ...given, ...(recordsOnly ? ['--records-only'] : []), '--log'].join(' ')
}

export function faultKinds(list: string): FaultKind[] {
  return list
    .split(',')
    .filter((name) => name !== '')
    .map((name) => {
      const kind = FAULT_KINDS.find((known) => known === name)
      if (kind === undefined) throw new Error(`there is no fault ${name}; there are: ${FAULT_KINDS.join(', ')}`)
      return kind
    })
}
