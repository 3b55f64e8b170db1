// `millrace bench`: flags of its commands. What they do is loaded when they run.

import type { Command } from 'commander'
import { type ClientFlags, collect, withClientFlags } from '../options.js'
import { run } from '../run.js'

export interface CommonFlags extends ClientFlags {
  readonly topic?: string
  readonly partitions: string
  readonly replicas: string
  readonly keep?: boolean
  readonly duration: string
  readonly warmup: string
  readonly pid?: string[]
  readonly out?: string
  readonly report?: string
}

export interface ProduceFlags extends CommonFlags {
  readonly recordSize: string
  readonly batchSize: string
  readonly connections: string
  readonly inFlight: string
  readonly acks: string
  readonly compression: string
  readonly records?: string
  readonly producer: string
  readonly linger: string
}

export interface ConsumeFlags extends CommonFlags {
  readonly recordSize: string
  readonly batchSize: string
  readonly connections: string
  readonly fetchMaxBytes: string
  readonly fetchTotalBytes: string
  readonly fill: string
  readonly compression: string
  readonly records?: string
}

export interface LatencyFlags extends CommonFlags {
  readonly recordSize: string
  readonly rate: string
  readonly acks: string
  readonly inFlight: string
}

export interface CompareFlags {
  readonly against?: string
  readonly againstPid?: string[]
  readonly bootstrap?: string
  readonly pid?: string[]
  readonly quick?: boolean
  readonly duration?: string
  readonly warmup?: string
  readonly rounds?: string
  readonly connections: string
  readonly partitions: string
  readonly replicas: string
  readonly workers?: string
  readonly only?: string
  readonly pause?: string
  readonly prepare?: string
  readonly dataDir?: string
  readonly json?: boolean
  readonly out?: string
  readonly report?: string
}

export function registerBenchCommand(program: Command): void {
  const bench = program.command('bench').description('measure produce, consume and latency against any Kafka-compatible broker')
  registerProduce(bench)
  registerConsume(bench)
  registerLatency(bench)
  registerCompare(bench)
  bench
    .command('report')
    .description('draw result files as one HTML page')
    .argument('<result...>', 'files written with --out')
    .requiredOption('--out <file.html>', 'where to write the page')
    .option('--json', 'print JSON')
    .action(
      run(async (files: string[], flags: { out: string; json?: boolean }) => (await import('./run-report.js')).runReport(files, flags)),
    )
}

function registerProduce(bench: Command): void {
  const command = bench
    .command('produce')
    .description('send as fast as the server takes it')
    .option('--record-size <bytes>', 'bytes of each value', '1KiB')
    .option('--batch-size <bytes>', 'bytes of each batch before compression', '256KiB')
    .option('--connections <count>', 'connections per broker', '2')
    .option('--in-flight <count>', 'requests on the way per connection', '5')
    .option('--acks <all|1|0>', 'who must have a batch before it is answered', 'all')
    .option('-z, --compression <codec>', 'none, gzip, snappy, lz4 or zstd', 'none')
    .option('--records <count>', 'stop after so many records instead of --duration')
    .option('--producer <raw|client>', "raw: requests encoded before, the lightest load; client: Millrace's own Producer", 'raw')
    .option('--linger <ms>', 'of --producer client: wait this long for a batch to fill', '5')
  withCommon(command).action(run(async (flags: ProduceFlags) => (await import('./session.js')).benchProduce(flags)))
}

function registerConsume(bench: Command): void {
  const command = bench
    .command('consume')
    .description('read as fast as the server gives it, from the start again and again')
    .option('--fetch-max-bytes <bytes>', 'per partition and answer', '1MiB')
    .option('--fetch-total-bytes <bytes>', 'per answer', '50MiB')
    .option('--connections <count>', 'connections per broker', '2')
    .option('--records <count>', 'stop after so many records instead of --duration')
    .option('--fill <bytes>', 'how much to write into a topic of its own first (without --topic)', '512MiB')
    .option('--record-size <bytes>', 'of what is written first', '1KiB')
    .option('--batch-size <bytes>', 'of what is written first', '64KiB')
    .option('-z, --compression <codec>', 'of what is written first', 'none')
  withCommon(command).action(run(async (flags: ConsumeFlags) => (await import('./session.js')).benchConsume(flags)))
}

function registerLatency(bench: Command): void {
  const command = bench
    .command('latency')
    .description('send at a fixed rate and time every record from the moment it was due')
    .option('--rate <per-second>', 'records a second', '2000')
    .option('--record-size <bytes>', 'bytes of each value', '1KiB')
    .option('--acks <all|1|0>', 'who must have a record before it is answered', 'all')
    .option('--in-flight <count>', 'requests on the way per broker', '5')
  withCommon(command).action(run(async (flags: LatencyFlags) => (await import('./session.js')).benchLatency(flags)))
}

function withCommon(command: Command): Command {
  return withResultFiles(
    withClientFlags(command)
      .option('-t, --topic <name>', 'use this topic, made if it is missing (default: one of its own, deleted afterwards)')
      .option('-p, --partitions <count>', 'of a topic that is made', '12')
      .option('--replicas <count>', 'of a topic that is made', '1')
      .option('--keep', 'do not delete the topic that was made')
      .option('-d, --duration <time>', 'how long to measure: 10s, 500ms, 2m', '10s')
      .option('-w, --warmup <time>', 'the same load, not counted, before it', '1s')
      .option('--pid <pid>', "the server's process: its CPU and memory are measured; repeatable", collect),
  )
}

function withResultFiles(command: Command): Command {
  return command
    .option('--out <file.json>', 'write the result with machine, versions and settings')
    .option('--report <file.html>', 'write the result as a page with charts')
}

function registerCompare(bench: Command): void {
  const command = bench
    .command('compare')
    .description('Apache Kafka (or another server) and Millrace on this machine, in turn, in one run')
    .option('--against <host:port>', 'a server that runs already, instead of starting Apache Kafka')
    .option('--against-pid <pid>', 'its process; repeatable', collect)
    .option('-b, --bootstrap <host:port>', 'a Millrace that runs already, instead of starting one')
    .option('--pid <pid>', 'its process; repeatable', collect)
    .option('--quick', 'rows of 3 s, a short warm-up, one round')
    .option('-d, --duration <time>', 'of each row (default: 10s)')
    .option('-w, --warmup <time>', 'of each shape of request on each server, before the first round (default: 15s)')
    .option('--rounds <count>', 'how often the rows are run on each; the median counts (default: 3)')
    .option('--connections <count>', 'connections per broker', '2')
    .option('-p, --partitions <count>', 'of the topics', '12')
    .option('--replicas <count>', 'of the topics', '1')
    .option('--workers <count>', 'of the Millrace that is started')
    .option('--pause <time>', 'after each row, for the deletion of its topic (default: 1.5s)')
    .option('--prepare <command>', 'run this in a shell before each row on each server, such as one that touches memory')
    .option('--only <text>', 'only rows whose name contains this; several separated by commas')
    .option('--data-dir <dir>', 'where both servers keep their data (default: a temporary directory)')
    .option('--json', 'print JSON')
  withResultFiles(command).action(run(async (flags: CompareFlags) => (await import('./compare.js')).benchCompare(flags)))
}
