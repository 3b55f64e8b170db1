// The report: result files as one page that needs nothing else, with charts and every figure in a table.

import { NOISY_PERCENT } from '../print.js'
import type { ResultFile } from '../result-file.js'
import { spreadOf } from '../compare/summary.js'
import type { Latency, Row } from '../row.js'
import { barChart, escapeText, formatNumber, lineChart, logTicks, ticksTo, type BarGroup, type Line, type Tick } from './charts.js'
import { STYLE } from './style.js'

const COLOURS = ['c0', 'c1', 'c2', 'c3'] as const

export function renderReport(results: readonly ResultFile[]): string {
  const title = results.length === 1 ? titleOf(results[0]!) : `${results.length} benchmark results`
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeText(title)}</title><style>${STYLE}</style></head>
<body><main>${results.map((result) => section(result)).join('<hr>')}</main></body></html>
`
}

function titleOf(result: ResultFile): string {
  const names = result.servers.map((server) => (server.version ? `${server.name} ${server.version}` : server.name))
  return names.length > 1 ? `${names[1]} beside ${names[0]}` : `${names[0]}: ${result.command}`
}

/** Colours by server: Millrace has the first, whatever stands beside it. */
function coloursOf(result: ResultFile): Map<string, string> {
  const names = [...new Set(result.rows.map((row) => row.server))].sort(
    (a, b) => Number(b.startsWith('Millrace')) - Number(a.startsWith('Millrace')),
  )
  return new Map(names.map((name, index) => [name, COLOURS[index % COLOURS.length]!]))
}

function section(result: ResultFile): string {
  const colours = coloursOf(result)
  const loads = result.rows.filter((row) => row.kind !== 'latency')
  const timed = result.rows.filter((row) => row.kind === 'latency')
  return [
    `<h1>${escapeText(titleOf(result))}</h1>`,
    `<p class="soft">${escapeText(result.command)}, ${escapeText(result.startedAt.replace('T', ' ').slice(0, 16))} UTC</p>`,
    facts(result),
    noise(result),
    colours.size > 1
      ? `<ul class="key">${[...colours].map(([name, colour]) => `<li><i class="${colour}"></i>${escapeText(name)}</li>`).join('')}</ul>`
      : '',
    loads.length > 0 ? `<h2>Throughput and what it costs</h2>${loadCharts(result, colours)}` : '',
    timed.length > 0 ? `<h2>Latency at a fixed rate</h2>${latencyCharts(timed, colours)}` : '',
    `<h2>Over time</h2><div class="grid-of">${seriesCharts(result.rows, colours)}</div>`,
    `<h2>Every figure</h2>${table(result)}`,
    `<details><summary>Settings</summary><pre>${escapeText(JSON.stringify({ settings: result.settings, rows: settingsByRow(result.rows), servers: result.servers }, null, 2))}</pre></details>`,
  ].join('\n')
}

function facts(result: ResultFile): string {
  const { machine, versions } = result
  const entries: [string, string][] = [
    ['CPU', `${machine.cpu}, ${machine.cores} cores`],
    ['memory', `${(machine.memoryBytes / 1e9).toFixed(1)} GB`],
    ['system', `${machine.system} ${machine.arch}`],
    ['Node', versions.node],
    ['load generator', `millrace ${versions.millrace}`],
  ]
  for (const server of result.servers) {
    if (server.startSeconds !== null) entries.push([`${server.name} starts in`, `${server.startSeconds.toFixed(2)} s`])
    if (server.idleMemoryBytes !== null) entries.push([`${server.name} idle`, `${(server.idleMemoryBytes / 1e6).toFixed(0)} MB`])
  }
  return `<dl class="facts">${entries.map(([name, value]) => `<div><dt>${escapeText(name)}</dt><dd>${escapeText(value)}</dd></div>`).join('')}</dl>`
}

function noise(result: ResultFile): string {
  const worst = Math.max(0, ...result.rows.map((row) => row.othersPercent ?? 0))
  if (worst <= NOISY_PERCENT) return ''
  return `<p class="warn">Other work used up to ${worst.toFixed(0)}% of the machine during these rows: throughput and latency say little, CPU per GB holds better.</p>`
}

function figure(title: string, caption: string, body: string): string {
  return `<figure><h3>${escapeText(title)}</h3><figcaption>${escapeText(caption)}</figcaption>${body}</figure>`
}

function groupsOf(rows: readonly Row[], colours: ReadonlyMap<string, string>, value: (row: Row) => number | null): BarGroup[] {
  return [...new Set(rows.map((row) => row.name))].flatMap((name) => {
    const bars = [...colours].flatMap(([server, colour]) => {
      const values = rows.filter((row) => row.name === name && row.server === server).map(value)
      const spread = spreadOf(values.filter((one): one is number => one !== null))
      return spread ? [{ series: server, colour, value: spread.median, low: spread.min, high: spread.max }] : []
    })
    return bars.length > 0 ? [{ label: name, bars }] : []
  })
}

function loadCharts(result: ResultFile, colours: ReadonlyMap<string, string>): string {
  const rows = result.rows.filter((row) => row.kind !== 'latency')
  const charts: [string, string, readonly Row[], (row: Row) => number | null][] = [
    ['Throughput, MB/s', 'of record values; more is better', rows, (row) => row.megabytesPerSecond],
    ['Server CPU-seconds per GB', 'less is better', rows, (row) => row.serverCpuSecondsPerGb],
    ['Records a second', 'more is better', rows, (row) => row.recordsPerSecond],
    [
      'Peak memory of the server, MB',
      'resident, during the row; less is better',
      result.rows,
      (row) => (row.serverPeakMemoryBytes === null ? null : row.serverPeakMemoryBytes / 1e6),
    ],
  ]
  const figures = charts.map(([title, caption, from, value]) => {
    const groups = groupsOf(from, colours, value)
    return groups.length > 0 ? figure(title, caption, barChart(title, groups)) : ''
  })
  return `<div class="grid-of">${figures.join('')}</div>`
}

/** Percentiles are drawn by how rare what lies above them is: 90, 99 and 99.9 are equally far apart. */
function rarity(percentile: number): number {
  return Math.min(4, -Math.log10(1 - Math.min(percentile, 99.9999) / 100))
}

const PERCENTILE_TICKS: readonly Tick[] = [0, 50, 90, 99, 99.9, 99.99].map((percentile) => ({
  at: rarity(percentile),
  label: `${percentile}%`,
}))

function latencyCharts(rows: readonly Row[], colours: ReadonlyMap<string, string>): string {
  const charts = (
    [
      ['From due to answered', (row: Row) => row.ack],
      ['From due to read', (row: Row) => row.endToEnd],
    ] as const
  ).map(([title, of]) => {
    const lines = latestByServer(rows).flatMap((row) => {
      const latency = of(row)
      return latency ? [distributionLine(row.server, colours.get(row.server)!, latency)] : []
    })
    if (lines.length === 0) return ''
    const yTicks = logTicks(lines.flatMap((line) => line.points.map(([, y]) => y)))
    const options = { xTicks: PERCENTILE_TICKS, yTicks, xTitle: 'percentile of records', yTitle: 'ms, logarithmic', logY: true }
    return figure(
      title,
      'milliseconds by percentile, last round; every record counts from when it was due',
      lineChart(title, lines, options),
    )
  })
  return `<div class="grid-of">${charts.join('')}</div>`
}

function distributionLine(series: string, colour: string, latency: Latency): Line {
  const points = latency.distribution
    .filter(([percentile]) => percentile <= 99.99)
    .map(([percentile, ms]) => [rarity(percentile), ms] as const)
  return { series, colour, points }
}

function latestByServer(rows: readonly Row[]): Row[] {
  return [...new Map(rows.map((row) => [`${row.server}\n${row.name}`, row])).values()]
}

function seriesCharts(rows: readonly Row[], colours: ReadonlyMap<string, string>): string {
  return [...new Set(rows.map((row) => row.name))]
    .map((name) => {
      const shown = latestByServer(rows.filter((row) => row.name === name && row.series.length > 1))
      if (shown.length === 0) return ''
      const unit = shown[0]!.kind === 'latency' ? 'records/s' : 'MB/s'
      const lines = shown.map((row) => ({
        series: row.server,
        colour: colours.get(row.server)!,
        points: row.series.map((point) => [point.second, unit === 'MB/s' ? point.megabytesPerSecond : point.recordsPerSecond] as const),
      }))
      const all = lines.flatMap((line) => line.points)
      const xTicks = ticksTo(Math.max(...all.map(([x]) => x)), 6)
      const yTicks = ticksTo(Math.max(...all.map(([, y]) => y)), 4)
      return figure(
        name,
        `${unit} in each quarter of a second, last round`,
        lineChart(name, lines, { xTicks, yTicks, xTitle: 'seconds', yTitle: unit }),
      )
    })
    .join('')
}

function table(result: ResultFile): string {
  const head = [
    'row',
    'server',
    'round',
    'MB/s',
    'records/s',
    'CPU s/GB',
    'server cores',
    'p50 ms',
    'p90 ms',
    'p99 ms',
    'p99.9 ms',
    'max ms',
    'read p99 ms',
    'peak MB',
    'generator s/GB',
    'others %',
  ]
  const cells = (row: Row): string[] => [
    row.name,
    row.server,
    String(row.round),
    show(row.megabytesPerSecond),
    show(row.recordsPerSecond),
    show(row.serverCpuSecondsPerGb),
    show(row.serverCores),
    show(row.ack?.p50),
    show(row.ack?.p90),
    show(row.ack?.p99),
    show(row.ack?.p999),
    show(row.ack?.max),
    show(row.endToEnd?.p99),
    show(row.serverPeakMemoryBytes === null ? null : row.serverPeakMemoryBytes / 1e6),
    show(row.clientCpuSecondsPerGb),
    show(row.othersPercent),
  ]
  const line = (tag: string, texts: readonly string[]): string =>
    `<tr>${texts.map((text, index) => `<${tag}${index === 1 ? ' class="left"' : ''}>${escapeText(text)}</${tag}>`).join('')}</tr>`
  return `<div class="scroll"><table><thead>${line('th', head)}</thead><tbody>${result.rows.map((row) => line('td', cells(row))).join('')}</tbody></table></div>`
}

function settingsByRow(rows: readonly Row[]): Record<string, unknown> {
  return Object.fromEntries(rows.map((row) => [row.name, row.settings]))
}

function show(value: number | null | undefined): string {
  return value === null || value === undefined ? '-' : formatNumber(value)
}
