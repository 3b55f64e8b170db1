// Runs seeds one after the other and says in the end how many were clean, also when it is told to stop: then the seed under way is the last. A second signal
// ends the process at once.

import { Counts } from './world.js'

export interface SeedRunnerOptions {
  /** As the command line has them: see SEED_OPTIONS. */
  readonly values: { readonly from: string; readonly seeds: string; readonly log: boolean }
  run(seed: number): Promise<Counts>
  /** It has been said what failed. `isStopped`: not to begin with anything long. */
  failed?(seed: number, message: string, isStopped: () => boolean): Promise<void>
}

/** Sets the exit code: 1 where a seed failed. */
export async function runSeeds({ values, run, failed }: SeedRunnerOptions): Promise<void> {
  const [from, seeds] = [Number(values.from), Number(values.seeds)]
  let signal: NodeJS.Signals | undefined
  for (const each of ['SIGINT', 'SIGTERM'] as const) process.once(each, () => (signal ??= each))
  const total = new Counts()
  const started = performance.now()
  let [clean, broken] = [0, 0]
  for (let seed = from; seed < from + seeds && signal === undefined; seed++) {
    try {
      total.addAll(await run(seed))
      clean++
    } catch (error) {
      broken++
      const { message, cause } = error as Error
      console.log(values.log ? (cause as Error).stack : message)
      await failed?.(seed, message, () => signal !== undefined)
    }
  }
  const stopped = signal === undefined ? '' : `stopped by ${signal}: `
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${stopped}${clean + broken} of ${seeds} seeds from ${from} in ${seconds} s, ${clean} clean, ${broken} failed`)
  console.log(total.toString())
  process.exitCode = broken > 0 ? 1 : 0
}
