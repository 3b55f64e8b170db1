// `millrace consume`: records to stdout, from one place in the topic to another, or for ever.

import type { Command } from 'commander'
import { BOUND_HELP, parseBound } from './consume/range.js'
import { formatterFor, TEMPLATE_HELP } from './consume/format.js'
import { usageError } from './errors.js'
import { collect, parseWhole, withClientFlags } from './options.js'
import type { ClientFlags } from './options.js'
import { run } from './run.js'

export interface ConsumeFlags extends ClientFlags {
  readonly from?: string
  readonly until?: string
  readonly max?: string
  readonly group?: string
  readonly partition?: string[]
  readonly format: string
  readonly keys?: boolean
  readonly headers?: boolean
  readonly readCommitted?: boolean
  readonly quiet?: boolean
}

export function registerConsume(program: Command): void {
  const command = program
    .command('consume')
    .description('print records')
    .argument('<topic>')
    .option('-o, --from <where>', `start: ${BOUND_HELP} (default: end, or the group's offsets)`)
    .option('-u, --until <where>', 'stop: the same forms; end is the end when the command starts')
    .option('-n, --max <count>', 'stop after this many records')
    .option('-g, --group <id>', 'read as a member of this group and commit')
    .option('-p, --partition <number>', 'only this partition; repeatable', collect)
    .option('-f, --format <format>', 'text, json or a template such as %k=%v', 'text')
    .option('--keys', 'text: print key, a tab and the value')
    .option('--headers', 'text: print headers first')
    .option('--read-committed', 'leave out records of aborted and open transactions')
    .option('-q, --quiet', 'no summary')
  withClientFlags(command).addHelpText('after', TEMPLATE_HELP).action(run(consume))
}

async function consume(topic: string, flags: ConsumeFlags): Promise<number> {
  if (flags.group !== undefined && flags.partition)
    throw usageError('--group and --partition exclude each other: a group shares out all partitions', 'leave one of them out')
  const format = flags.json ? 'json' : flags.format
  const request = {
    from: flags.from === undefined ? undefined : parseBound(flags.from, '--from'),
    until: flags.until === undefined ? undefined : parseBound(flags.until, '--until'),
    max: flags.max === undefined ? Infinity : parseWhole(flags.max, '--max'),
    partitions: flags.partition?.map((text) => parseWhole(text, '--partition')),
    formatter: formatterFor(format, { keys: flags.keys === true, headers: flags.headers === true }),
  }
  if (request.max === 0) return 0
  const { printRecords } = await import('./consume/print.js')
  return printRecords(topic, flags, request)
}
