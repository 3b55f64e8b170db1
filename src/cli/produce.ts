// `millrace produce`: lines from stdin (or a file) become records.

import type { Command } from 'commander'
import { collect, parseCompression, parsePair, parseWhole, withClientFlags } from './options.js'
import type { ClientFlags } from './options.js'
import { usageError } from './errors.js'
import { run } from './run.js'

export interface ProduceFlags extends ClientFlags {
  readonly keySeparator?: string
  readonly header?: string[]
  readonly format: string
  readonly rate?: string
  readonly compression: string
  readonly acks: string
  readonly ack?: string
  readonly partition?: string
  readonly input?: string
  readonly linger: string
  readonly batchSize: string
  readonly quiet?: boolean
}

export function registerProduce(program: Command): void {
  const command = program
    .command('produce')
    .description('send lines from stdin as records')
    .argument('<topic>', 'created if the broker creates topics by itself')
    .option('-K, --key-separator <text>', 'split each line into key and value at this text')
    .option('-H, --header <name=value>', 'header for every record; repeatable', collect)
    .option('-f, --format <text|json>', 'what a line is; json: {"key","value","headers","partition","timestamp"}', 'text')
    .option('-i, --input <file>', 'read this file instead of stdin')
    .option('-p, --partition <number>', 'send to this partition (default: by key)')
    .option('--rate <per-second>', 'send at most this many records a second')
    .option('-z, --compression <codec>', 'none, gzip, snappy, lz4 or zstd', 'none')
    .option('--acks <all|1|0>', 'who must have a record: the in-sync replicas, the leader, nobody', 'all')
    .option('--ack <process|disk>', 'what an acknowledgement promises (default: as the topic says); disk survives loss of power')
    .option('--linger <ms>', 'wait this long for a batch to fill', '5')
    .option('--batch-size <bytes>', 'send a batch at this size', '65536')
    .option('-q, --quiet', 'no summary')
  withClientFlags(command).action(run(produce))
}

async function produce(topic: string, flags: ProduceFlags): Promise<number> {
  const format = flags.format
  if (format !== 'text' && format !== 'json') throw usageError(`--format takes text or json, and ${JSON.stringify(format)} is neither`)
  if (flags.ack !== undefined && flags.ack !== 'process' && flags.ack !== 'disk')
    throw usageError(`--ack takes process or disk, and ${JSON.stringify(flags.ack)} is neither`)
  if (!['all', '-1', '1', '0'].includes(flags.acks))
    throw usageError(`--acks takes all, 1 or 0, and ${JSON.stringify(flags.acks)} is none of them`)
  const compression = parseCompression(flags.compression)
  const { sendLines } = await import('./produce/send.js')
  return sendLines(topic, flags, {
    format,
    keySeparator: flags.keySeparator === undefined ? null : unescapeSeparator(flags.keySeparator),
    headers: (flags.header ?? []).map((text) => parsePair(text, '--header')),
    partition: flags.partition === undefined ? undefined : parseWhole(flags.partition, '--partition'),
    rate: flags.rate === undefined ? Infinity : parseWhole(flags.rate, '--rate', 1),
    compression,
    acks: flags.acks === '1' ? 1 : flags.acks === '0' ? 0 : 'all',
    ack: flags.ack,
    lingerMs: parseWhole(flags.linger, '--linger', 0, 3_600_000),
    batchSize: parseWhole(flags.batchSize, '--batch-size', 0, 1 << 30),
  })
}

function unescapeSeparator(text: string): string {
  if (text === '') throw usageError('--key-separator is empty', 'give a text that stands between key and value, such as : or \\t')
  return text.replace(/\\t/g, '\t')
}
