// What a command of the tests does with its arguments: `--help` is answered with the usage, and what cannot be understood with a line that says
// so; neither with a stack trace.

/** What `parse` (null: help is wanted; it throws at what it does not understand) makes of this process's arguments, or the end of it. */
export function commandLine<T>(parse: (args: readonly string[]) => T | null, usage: string): T {
  let given: T | null
  try {
    given = parse(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage.split('\n')[0]}\nMore with --help.\n`)
    process.exit(2)
  }
  if (given !== null) return given
  process.stdout.write(usage)
  process.exit(0)
}

/** Of the option `--name`, from 1. */
export function wholeNumber(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} ${text}: a whole number from 1 is needed`)
  return value
}
