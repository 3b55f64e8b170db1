// Charts as plain SVG text: horizontal bars and lines. No script, no network, no font of its own; colours come from the page's CSS, so that
// light and dark both read. Knows numbers and labels, nothing of benchmarks.

export interface Bar {
  readonly series: string
  /** CSS class of its colour. */
  readonly colour: string
  readonly value: number
  /** Spread over rounds, drawn as a whisker. */
  readonly low?: number
  readonly high?: number
}

export interface BarGroup {
  readonly label: string
  readonly bars: readonly Bar[]
}

export interface Line {
  readonly series: string
  readonly colour: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

export interface Tick {
  readonly at: number
  readonly label: string
}

const WIDTH = 720
const BAR = 16
const BAR_GAP = 3
const GROUP_GAP = 16
const LABEL_WIDTH = 190
const VALUE_WIDTH = 70
const AXIS_HEIGHT = 22

export function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
}

export function formatNumber(value: number): string {
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (size >= 1e6) return `${trim(value / 1e6, size >= 1e8 ? 0 : size >= 1e7 ? 1 : 2)} M`
  if (size >= 1e4) return `${trim(value / 1e3, size >= 1e5 ? 0 : 1)} k`
  if (size >= 100) return value.toFixed(0)
  return size >= 10 ? trim(value, 1) : trim(value, 2)
}

function trim(value: number, places: number): string {
  const text = value.toFixed(places)
  return places > 0 ? text.replace(/\.?0+$/, '') : text
}

/** About `count` round numbers from zero to at least `max`. */
export function ticksTo(max: number, count = 5): Tick[] {
  if (!(max > 0))
    return [
      { at: 0, label: '0' },
      { at: 1, label: '1' },
    ]
  const rough = max / count
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999)!
  const ticks: Tick[] = []
  for (let index = 0; ; index++) {
    ticks.push({ at: index * step, label: formatNumber(index * step) })
    if (index * step >= max) return ticks
  }
}

/** Powers of ten around everything above zero. */
export function logTicks(values: readonly number[]): Tick[] {
  const positive = values.filter((value) => value > 0)
  const low = Math.floor(Math.log10(Math.min(...positive, 1)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...positive, 10 ** low))))
  return Array.from({ length: high - low + 1 }, (_, index) => ({ at: 10 ** (low + index), label: formatPower(low + index) }))
}

function formatPower(power: number): string {
  return power >= 0 ? formatNumber(10 ** power) : (10 ** power).toFixed(-power)
}

/** Groups of horizontal bars from zero, each with its figure at its end. */
export function barChart(label: string, groups: readonly BarGroup[]): string {
  const highest = Math.max(0, ...groups.flatMap((group) => group.bars.map((bar) => bar.high ?? bar.value)))
  const ticks = ticksTo(highest)
  const end = ticks.at(-1)!.at
  const plot = WIDTH - LABEL_WIDTH - VALUE_WIDTH
  const x = (value: number): number => LABEL_WIDTH + (plot * value) / end
  const parts: string[] = []
  let y = 4
  for (const group of groups) {
    const height = group.bars.length * (BAR + BAR_GAP) - BAR_GAP
    parts.push(text(LABEL_WIDTH - 10, y + height / 2, group.label, 'end', 'label'))
    for (const bar of group.bars) {
      parts.push(oneBar(bar, y, x))
      y += BAR + BAR_GAP
    }
    y += GROUP_GAP - BAR_GAP
  }
  const bottom = y - GROUP_GAP / 2
  const grid = ticks.map(
    ({ at, label: tick }) =>
      `<line class="grid" x1="${n(x(at))}" x2="${n(x(at))}" y1="0" y2="${n(bottom)}"/>${text(x(at), bottom + 12, tick, 'middle', 'tick')}`,
  )
  return svg(label, bottom + AXIS_HEIGHT, [...grid, ...parts])
}

function oneBar(bar: Bar, y: number, x: (value: number) => number): string {
  const width = Math.max(1, x(bar.value) - x(0))
  const title = `<title>${escapeText(`${bar.series}: ${formatNumber(bar.value)}`)}</title>`
  const { low = bar.value, high = bar.value } = bar
  const middle = n(y + BAR / 2)
  const whisker = high > low ? `<line class="whisker" x1="${n(x(low))}" x2="${n(x(high))}" y1="${middle}" y2="${middle}"/>` : ''
  const rect = `<rect class="fill ${bar.colour}" x="${n(x(0))}" y="${n(y)}" width="${n(width)}" height="${BAR}" rx="2">${title}</rect>`
  return rect + whisker + text(Math.max(x(bar.value), x(high)) + 6, y + BAR / 2, formatNumber(bar.value), 'start', 'value')
}

export interface LineChartOptions {
  readonly xTicks: readonly Tick[]
  readonly yTicks: readonly Tick[]
  readonly xTitle: string
  readonly yTitle: string
  readonly logY?: boolean
}

const LINE_HEIGHT = 260
const LEFT = 62
const RIGHT = 14
const TOP = 22
const BOTTOM = 40

export function lineChart(label: string, lines: readonly Line[], options: LineChartOptions): string {
  const { xTicks, yTicks, logY = false } = options
  const scale = (value: number): number => (logY ? Math.log10(Math.max(value, yTicks[0]!.at)) : value)
  const [x0, x1] = [xTicks[0]!.at, xTicks.at(-1)!.at]
  const [y0, y1] = [scale(yTicks[0]!.at), scale(yTicks.at(-1)!.at)]
  const x = (value: number): number => LEFT + ((WIDTH - LEFT - RIGHT) * (value - x0)) / (x1 - x0 || 1)
  const y = (value: number): number => LINE_HEIGHT - BOTTOM - ((LINE_HEIGHT - TOP - BOTTOM) * (scale(value) - y0)) / (y1 - y0 || 1)
  const parts: string[] = [text(4, 9, options.yTitle, 'start', 'tick')]
  for (const tick of yTicks)
    parts.push(
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${n(y(tick.at))}" y2="${n(y(tick.at))}"/>${text(LEFT - 8, y(tick.at), tick.label, 'end', 'tick')}`,
    )
  for (const tick of xTicks) parts.push(text(x(tick.at), LINE_HEIGHT - BOTTOM + 14, tick.label, 'middle', 'tick'))
  parts.push(text((LEFT + WIDTH - RIGHT) / 2, LINE_HEIGHT - 8, options.xTitle, 'middle', 'tick'))
  for (const line of lines) parts.push(oneLine(line, x, y))
  return svg(label, LINE_HEIGHT, parts)
}

function oneLine(line: Line, x: (value: number) => number, y: (value: number) => number): string {
  const points = line.points.map(([px, py]) => `${n(x(px))},${n(y(py))}`).join(' ')
  const dots = line.points.map(([px, py]) => {
    const title = escapeText(`${line.series}: ${formatNumber(py)}`)
    return `<circle class="dot ${line.colour}" cx="${n(x(px))}" cy="${n(y(py))}" r="3"><title>${title}</title></circle>`
  })
  return `<polyline class="line ${line.colour}" points="${points}"/>${dots.join('')}`
}

function text(x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end', kind: string): string {
  return `<text class="${kind}" x="${n(x)}" y="${n(y)}" text-anchor="${anchor}" dominant-baseline="central">${escapeText(content)}</text>`
}

function svg(label: string, height: number, parts: readonly string[]): string {
  return `<svg viewBox="0 0 ${WIDTH} ${n(height)}" role="img" aria-label="${escapeText(label)}">${parts.join('')}</svg>`
}

/** Tenths of a pixel are enough. */
function n(value: number): string {
  return String(Math.round(value * 10) / 10)
}
