// `millrace bench compare`: two servers on one machine in one run. Both are up all the time and warmed up alike; every row is run on one and
// then the other, in turns, so that what the machine does to one it does to the other. The median over rounds counts.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { makeDirectories } from '../../log/files.js'
import { CliError, ExitCode, usageError } from '../errors.js'
import { parseWhole } from '../options.js'
import { isTerminal, printTable, startProgress, type Cell } from '../output.js'
import type { CompareFlags } from './command.js'
import { Preparation } from './compare/prepare.js'
import { attach, dataDirOf, startKafka, startMillrace, type Contestant } from './compare/servers.js'
import { shapesOf, Topics, type CompareSettings, type Shape } from './compare/shapes.js'
import { distinctName, summarize, type Figure } from './compare/summary.js'
import { parsePids, parseSeconds } from './flags.js'
import { finish, fixed, noiseNote, thousands } from './print.js'
import { resultOf, type ResultFile } from './result-file.js'
import { measure, type Row } from './row.js'

export async function benchCompare(flags: CompareFlags): Promise<number> {
  const settings = settingsOf(flags)
  const shapes = chosen(shapesOf(settings), flags.only)
  const startedAt = new Date()
  const ownDir = flags.dataDir === undefined
  const dataDir = ownDir ? mkdtempSync(join(tmpdir(), 'millrace-compare-')) : resolve(flags.dataDir!)
  makeDirectories(dataDir)
  const contestants: Contestant[] = []
  const interrupted = watchInterrupt()
  const preparation = new Preparation(flags.prepare)
  let over = false
  /** What came up after an interruption must not stay. */
  const keep = async (contestant: Contestant): Promise<void> => {
    contestants.push(contestant)
    if (!over) return
    await contestant.stop()
    throw new CliError('interrupted')
  }
  let working: Promise<ResultFile> | undefined
  try {
    const work = async (): Promise<ResultFile> => {
      await keep(
        await (flags.against === undefined
          ? startKafka(dataDirOf(dataDir, 'kafka'))
          : attach(undefined, flags.against, parsePids(flags.againstPid))),
      )
      await keep(await subject(flags, dataDir, contestants[0]!))
      const rows = await runRounds(contestants, shapes, settings, preparation, flags.json === true)
      return resultOf(
        'bench compare',
        startedAt,
        contestants.map(({ server }) => server),
        { ...settings, quick: flags.quick === true, prepare: flags.prepare ?? null },
        rows,
      )
    }
    working = work()
    const result = await Promise.race([working, interrupted.signal])
    const figures = summarize(result.rows, result.servers[0]!.name, result.servers[1]!.name)
    await finish({ ...result, figures }, flags, printComparison)
    return ExitCode.ok
  } finally {
    over = true
    interrupted.stop()
    preparation.stop()
    for (const contestant of contestants) await contestant.stop()
    // A server on its way up when the interruption came is stopped there.
    await working?.catch(() => undefined)
    if (ownDir) rmSync(dataDir, { recursive: true, force: true })
  }
}

function settingsOf(flags: CompareFlags): CompareSettings {
  const quick = flags.quick === true
  return {
    seconds: parseSeconds(flags.duration ?? (quick ? '3s' : '10s'), '--duration', 0.1),
    warmupSeconds: parseSeconds(flags.warmup ?? (quick ? '4s' : '15s'), '--warmup'),
    rounds: parseWhole(flags.rounds ?? (quick ? '1' : '3'), '--rounds', 1, 1000),
    connections: parseWhole(flags.connections, '--connections', 1, 10_000),
    partitions: parseWhole(flags.partitions, '--partitions', 1, 100_000),
    replicas: parseWhole(flags.replicas, '--replicas', 1, 100),
    consumeBytes: quick ? 300e6 : 1.5e9,
    pauseMs: parseSeconds(flags.pause ?? (quick ? '700ms' : '1500ms'), '--pause') * 1000,
  }
}

function chosen(shapes: readonly Shape[], only: string | undefined): Shape[] {
  const wanted = only?.split(',').map((text) => text.trim().toLowerCase())
  const found = shapes.filter((shape) => !wanted || wanted.some((text) => shape.name.toLowerCase().includes(text)))
  if (found.length === 0) throw usageError(`--only ${only} matches no row`, `rows are: ${shapes.map((shape) => shape.name).join(', ')}`)
  return found
}

async function subject(flags: CompareFlags, dataDir: string, reference: Contestant): Promise<Contestant> {
  if (flags.bootstrap === undefined) {
    const millrace = await startMillrace(dataDirOf(dataDir, 'millrace'), flags.workers)
    return { ...millrace, server: { ...millrace.server, name: distinctName('Millrace', reference.server.name) } }
  }
  const running = await attach(undefined, flags.bootstrap, parsePids(flags.pid))
  return { ...running, server: { ...running.server, name: distinctName(running.server.name, reference.server.name) } }
}

async function runRounds(
  contestants: readonly Contestant[],
  shapes: readonly Shape[],
  settings: CompareSettings,
  preparation: Preparation,
  quiet: boolean,
): Promise<Row[]> {
  const rows: Row[] = []
  const topics = new Map(contestants.map((contestant) => [contestant, new Topics(contestant.target, settings)]))
  const steps = shapes.length * contestants.length * (settings.rounds + (settings.warmupSeconds > 0 ? 1 : 0))
  const bar = await startProgress('bench compare', steps, quiet)
  let step = 0
  const say = (text: string): void => bar.update(step, text)
  try {
    for (const contestant of settings.warmupSeconds > 0 ? contestants : []) {
      for (const shape of shapes) {
        say(`warming up ${contestant.server.name}: ${shape.name}`)
        const seconds = settings.warmupSeconds * shape.warmupShare
        await topics.get(contestant)!.with(shape, (topic) => shape.run(contestant.target, topic, seconds, { records: 0, bytes: 0 }))
        step++
      }
    }
    for (let round = 1; round <= settings.rounds; round++) {
      // Who goes first changes, so that neither always finds what the other left.
      const order = round % 2 === 1 ? contestants : [...contestants].reverse()
      for (const shape of shapes) {
        for (const contestant of order) {
          await preparation.run()
          say(`round ${round}, ${contestant.server.name}: ${shape.name}`)
          const row = await topics.get(contestant)!.with(shape, (topic) => measureShape(contestant, shape, topic, settings, round))
          rows.push(row)
          step++
          if (!quiet && !process.stderr.isTTY) process.stderr.write(`${lineOf(row)}\n`)
        }
      }
    }
    for (const each of topics.values()) await each.close()
    return rows
  } finally {
    bar.stop()
  }
}

function measureShape(contestant: Contestant, shape: Shape, topic: string, settings: CompareSettings, round: number): Promise<Row> {
  return measure({
    name: shape.name,
    kind: shape.kind,
    server: contestant.server.name,
    round,
    settings: { ...shape.settings, topicPartitions: settings.partitions, replicas: settings.replicas },
    probe: contestant.probe,
    load: (tally) => shape.run(contestant.target, topic, settings.seconds, tally),
  })
}

function lineOf(row: Row): string {
  const speed = row.kind === 'latency' ? `p99 ${fixed(row.ack?.p99 ?? null, 2)} ms` : `${fixed(row.megabytesPerSecond, 0)} MB/s`
  return `round ${row.round}  ${row.server}  ${row.name}  ${speed}  ${fixed(row.serverCpuSecondsPerGb, 2) ?? '-'} CPU s/GB  others ${fixed(row.othersPercent, 0) ?? '-'}%`
}

async function printComparison(result: ResultFile): Promise<void> {
  const [reference, millrace] = result.servers
  const names = [reference!.name, millrace!.name] as const
  const rows: Cell[][] = []
  for (const name of new Set((result.figures ?? []).map((figure) => figure.row))) {
    const figures = new Map(result.figures!.filter((figure) => figure.row === name).map((figure) => [figure.metric, figure]))
    const kinds = figures.has('end-to-end p50') ? (['answer', 'end-to-end'] as const) : (['answer'] as const)
    for (const kind of kinds) rows.push(...blockOf(kinds.length > 1 ? `${name}, ${kind}` : name, kind, figures, names))
  }
  await printTable(['row', 'server', 'MB/s', 'records/s', 'CPU s/GB', 'p50 ms', 'p99 ms', 'p99.9 ms', 'peak MB', 'others %'], rows)
  process.stdout.write('\n')
  const start = result.servers.map((server) => [
    server.name,
    fixed(server.startSeconds, 2),
    server.idleMemoryBytes === null ? null : fixed(server.idleMemoryBytes / 1e6, 0),
    server.version,
  ])
  await printTable(['server', 'start s', 'idle MB', 'version'], start)
  const notes = [
    noiseNote(result.rows),
    result.settings['quick'] ? '--quick warms a JVM up only in part: expect the first rows of Kafka to be too low' : undefined,
    isTerminal() ? 'MB and GB are powers of ten, of record values; figures are medians over rounds' : undefined,
  ]
  for (const note of notes) if (note) process.stderr.write(`${note}\n`)
}

function blockOf(
  title: string,
  kind: 'answer' | 'end-to-end',
  figures: ReadonlyMap<string, Figure>,
  [reference, millrace]: readonly [string, string],
): Cell[][] {
  const columns: readonly (readonly [metric: string, show: (value: number) => string])[] = [
    ['MB/s', (value) => value.toFixed(0)],
    ['records/s', thousands],
    ['CPU s/GB', (value) => value.toFixed(2)],
    [`${kind} p50`, (value) => value.toFixed(2)],
    [`${kind} p99`, (value) => value.toFixed(2)],
    [`${kind} p99.9`, (value) => value.toFixed(2)],
    ['peak memory', (value) => value.toFixed(0)],
    ['others', (value) => value.toFixed(0)],
  ]
  const line = (label: string, server: string, cell: (figure: Figure, show: (value: number) => string) => string | null): Cell[] => [
    label,
    server,
    ...columns.map(([metric, show]) => {
      const figure = figures.get(metric)
      return figure ? cell(figure, show) : null
    }),
  ]
  return [
    line(title, reference, (figure, show) => (figure.reference ? show(figure.reference.median) : null)),
    line('', millrace, (figure, show) => (figure.subject ? show(figure.subject.median) : null)),
    line('', 'ratio', (figure) => (figure.ratio === null ? null : `${figure.ratio.toFixed(2)}×`)),
  ]
}

/** Rejects on SIGINT or SIGTERM, so that what was started is stopped. */
function watchInterrupt(): { readonly signal: Promise<never>; stop(): void } {
  let onSignal = (): void => {}
  const signal = new Promise<never>((_, reject) => {
    onSignal = () => reject(new CliError('interrupted; stopping the servers that were started', ExitCode.interrupted))
  })
  signal.catch(() => undefined)
  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)
  return {
    signal,
    stop: () => {
      process.removeListener('SIGINT', onSignal)
      process.removeListener('SIGTERM', onSignal)
    },
  }
}
