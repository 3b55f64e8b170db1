// How a command ends: exit codes and the error a person reads. No command prints a stack unless MILLRACE_DEBUG is set.

/** Documented in docs/cli.md and in `--help`. */
export const ExitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  notFound: 4,
  unsound: 5,
  interrupted: 130,
} as const
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

export const EXIT_CODE_HELP = `
Exit codes:
  0    done
  1    the command failed; the message says what to do
  2    wrong usage or configuration; nothing was done
  3    no broker answered at the address given
  4    the topic, group or file named does not exist
  5    a check found something wrong (dump-log, doctor)
  130  interrupted`

export class CliError extends Error {
  readonly exitCode: ExitCode
  readonly fix: string | undefined

  constructor(message: string, exitCode: ExitCode = ExitCode.failed, fix?: string, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
    this.fix = fix
  }
}

export const usageError = (message: string, fix?: string): CliError => new CliError(message, ExitCode.usage, fix)
export const notFound = (message: string, fix?: string): CliError => new CliError(message, ExitCode.notFound, fix)

interface Explained {
  readonly message: string
  readonly code: string | undefined
  readonly exitCode: ExitCode
  readonly fix: string | undefined
}

const UNREACHABLE_CODES = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN', 'ERR_MILLRACE_CONNECT'])
const USAGE_CODES = new Set(['ERR_MILLRACE_CONFIG', 'ERR_MILLRACE_SETTING', 'ERR_MILLRACE_ARGUMENT'])
const NOT_FOUND_NAMES = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'GROUP_ID_NOT_FOUND', 'UNKNOWN_TOPIC_ID'])

/** Every error a command can end with, in the person's terms. */
export function explain(error: unknown): Explained {
  if (error instanceof CliError) return { message: error.message, code: undefined, exitCode: error.exitCode, fix: error.fix }
  if (!(error instanceof Error)) return { message: String(error), code: undefined, exitCode: ExitCode.failed, fix: undefined }
  const codes = codesOf(error)
  const code = codes[0]
  if (code !== undefined && USAGE_CODES.has(code)) return { message: error.message, code, exitCode: ExitCode.usage, fix: undefined }
  if (codes.some((one) => UNREACHABLE_CODES.has(one))) {
    const fix =
      'check that a broker runs there (millrace serve), or name another one with --bootstrap HOST:PORT or MILLRACE_BOOTSTRAP; millrace doctor finds out more'
    return { message: error.message, code, exitCode: ExitCode.unreachable, fix }
  }
  const named = codes.some((one) => NOT_FOUND_NAMES.has(one))
  return { message: error.message, code, exitCode: named ? ExitCode.notFound : ExitCode.failed, fix: fixFor(codes) }
}

/** Codes and Kafka error names of the error and of its causes, outermost first. */
function codesOf(error: Error): string[] {
  const codes: string[] = []
  for (let current: unknown = error; current instanceof Error && codes.length < 20; current = current.cause) {
    for (const key of ['code', 'name'] as const) {
      const value = (current as unknown as Record<string, unknown>)[key]
      if (typeof value === 'string' && value !== 'Error') codes.push(value)
    }
    if (current instanceof AggregateError) for (const inner of current.errors) if (inner instanceof Error) codes.push(...codesOf(inner))
  }
  return codes
}

/** For what the client's own message has no advice about. */
function fixFor(codes: readonly string[]): string | undefined {
  if (codes.includes('TOPIC_ALREADY_EXISTS')) return 'choose another name, or add --if-not-exists'
  if (codes.includes('UNKNOWN_TOPIC_OR_PARTITION'))
    return 'millrace topics list shows the topics there are; millrace topics create makes one'
  if (codes.includes('GROUP_ID_NOT_FOUND')) return 'millrace groups list shows the groups there are'
  return undefined
}

/** Prints the error to stderr (as JSON with --json) and returns the exit code. */
export function report(error: unknown, command: string, json: boolean): ExitCode {
  const { message, code, exitCode, fix } = explain(error)
  if (json) {
    process.stderr.write(`${JSON.stringify({ error: { message, code, exitCode, fix } })}\n`)
  } else {
    process.stderr.write(`${command}: ${message}\n${fix ? `  fix: ${fix}\n` : ''}`)
  }
  if (process.env['MILLRACE_DEBUG'] && error instanceof Error) process.stderr.write(`${error.stack}\n`)
  return exitCode
}
