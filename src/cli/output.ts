// What commands print: tables, JSON, colours and progress. Colours and bars only on a terminal; a reader that went
// away (EPIPE) ends the process quietly. cli-table3, picocolors and cli-progress load on first use.

export const isTerminal = (): boolean => process.stdout.isTTY === true

/** Without this, `millrace consume … | head` would end in a stack trace. */
export function quietOnClosedPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
}

export function printJson(value: unknown): void {
  const text = JSON.stringify(
    value,
    (_, item: unknown) => (typeof item === 'bigint' ? item.toString() : item),
    isTerminal() ? 2 : undefined,
  )
  process.stdout.write(`${text}\n`)
}

export type Cell = string | number | null

/** A table on a terminal; columns separated by tabs, with a header line, anywhere else. */
export async function printTable(head: readonly string[], rows: readonly (readonly Cell[])[]): Promise<void> {
  const text = (cell: Cell): string => (cell === null ? '-' : String(cell))
  if (!isTerminal()) {
    const lines = [head, ...rows].map((row) => row.map(text).join('\t'))
    process.stdout.write(`${lines.join('\n')}\n`)
    return
  }
  const { default: Table } = await import('cli-table3')
  const { default: colors } = await import('picocolors')
  const numeric = head.map((_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'number' || row[column] === null))
  const table = new Table({
    head: head.map((title) => colors.bold(title)),
    colAligns: numeric.map((is) => (is ? 'right' : 'left')),
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 2 },
    chars: PLAIN_BORDERS,
  })
  for (const row of rows) table.push(row.map(text))
  process.stdout.write(`${table.toString()}\n`)
}

/** cli-table3 without lines: columns alone read best and paste best. */
const PLAIN_BORDERS = Object.fromEntries(
  [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
    'left',
    'left-mid',
    'mid',
    'mid-mid',
    'right',
    'right-mid',
    'middle',
  ].map((name) => [name, '']),
)

export interface Progress {
  update(value: number, note?: string): void
  stop(): void
}

const NO_PROGRESS: Progress = { update() {}, stop() {} }

/** A bar on stderr, only when stderr is a terminal. */
export async function startProgress(label: string, total: number, quiet = false): Promise<Progress> {
  if (quiet || process.stderr.isTTY !== true || total <= 0) return NO_PROGRESS
  const { default: cliProgress } = await import('cli-progress')
  const bar = new cliProgress.SingleBar({
    format: `${label} {bar} {percentage}% {value}/{total} {note}`,
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
    barsize: 30,
  })
  bar.start(total, 0, { note: '' })
  return { update: (value, note = '') => bar.update(value, { note }), stop: () => bar.stop() }
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (Math.abs(value) >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}
