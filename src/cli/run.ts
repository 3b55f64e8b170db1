// Runs one command's action: its error becomes a message and an exit code. Nothing else in cli/ exits the process,
// except `serve` on a second signal.

import { report } from './errors.js'

interface Named {
  readonly parent: Named | null
  name(): string
}

function fullName(command: Named): string {
  return command.parent ? `${fullName(command.parent)} ${command.name()}` : command.name()
}

/** Wraps an action for commander. `process.exitCode` is set, so output already written is flushed first. */
export function run<Args extends unknown[]>(action: (...args: Args) => Promise<void | number>): (...args: Args) => Promise<void> {
  return async (...args) => {
    const command = args.at(-1) as Named
    const options = args.at(-2) as { json?: boolean }
    try {
      process.exitCode = (await action(...args)) ?? process.exitCode ?? 0
    } catch (error) {
      process.exitCode = report(error, fullName(command), options.json === true)
    }
  }
}
