// `millrace dump-log`: what a partition's files hold, and whether they hold together. Reads; never changes a file.

import type { Command } from 'commander'
import { ExitCode } from './errors.js'
import { parseWhole } from './options.js'
import { printJson } from './output.js'
import { run } from './run.js'

interface DumpFlags {
  readonly records?: boolean
  readonly from: string
  readonly max?: string
  readonly quiet?: boolean
  readonly json?: boolean
}

export function registerDumpLog(program: Command): void {
  program
    .command('dump-log')
    .description('print and verify segments, indexes, snapshots and checkpoints of a data directory')
    .argument('<path...>', 'files, or partition directories')
    .option('-r, --records', 'print every record, not only batches')
    .option('--from <offset>', 'print from this offset on (everything is still verified)', '0')
    .option('--max <count>', 'print at most this many batches of a segment')
    .option('-q, --quiet', 'verify only: print findings and a summary')
    .option('--json', 'print one JSON document per line')
    .addHelpText('after', '\nExits with 5 when a file is damaged, and says at which byte the damage starts.')
    .action(run(dumpLog))
}

async function dumpLog(paths: string[], flags: DumpFlags): Promise<number> {
  const { dumpPaths } = await import('./dump/dump.js')
  const findings = await dumpPaths(paths, {
    records: flags.records === true,
    from: parseWhole(flags.from, '--from'),
    max: flags.max === undefined ? Infinity : parseWhole(flags.max, '--max'),
    quiet: flags.quiet === true,
    json: flags.json === true,
  })
  if (flags.json) printJson({ kind: 'summary', ...findings })
  else {
    const damage = findings.damaged === 0 ? 'no damage found' : `${findings.damaged} ${findings.damaged === 1 ? 'file' : 'files'} damaged`
    process.stdout.write(
      `${findings.files} ${findings.files === 1 ? 'file' : 'files'}, ${findings.batches} batches, ${findings.records} records: ${damage}\n`,
    )
  }
  return findings.damaged === 0 ? ExitCode.ok : ExitCode.unsound
}
