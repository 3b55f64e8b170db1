// Reading of the flags of `millrace bench`. Pure, light: loaded with the command.

import { usageError } from '../errors.js'
import { parseWhole } from '../options.js'
import type { Acks } from './load.js'

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  kb: 1000,
  kib: 1024,
  m: 1 << 20,
  mb: 1e6,
  mib: 1 << 20,
  g: 1 << 30,
  gb: 1e9,
  gib: 1 << 30,
}

/** `16384`, `16KiB`, `16k`, `1MiB`, `2GB`. */
export function parseSize(text: string, flag: string, min = 1, max = 2 ** 40): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim())
  const unit = SIZE_UNITS[match?.[2]?.toLowerCase() ?? '?']
  const value = match && unit !== undefined ? Math.round(Number(match[1]) * unit) : NaN
  if (!(value >= min && value <= max))
    throw usageError(
      `${flag} takes a size of ${min} to ${max} bytes, and ${JSON.stringify(text)} is not one`,
      `write for example ${flag} 16KiB`,
    )
  return value
}

/** Seconds: `10`, `10s`, `500ms`, `2m`. */
export function parseSeconds(text: string, flag: string, min = 0): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text.trim())
  const value = match ? (Number(match[1]) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[(match[2] ?? 's') as 'ms']) / 1000 : NaN
  if (!(value >= min)) throw usageError(`${flag} takes a time, and ${JSON.stringify(text)} is not one`, `write for example ${flag} 10s`)
  return value
}

export function parseAcks(text: string): Acks {
  const acks = ({ all: -1, '-1': -1, '1': 1, '0': 0 } as const)[text]
  if (acks === undefined) throw usageError(`--acks takes all, 1 or 0, and ${JSON.stringify(text)} is none of them`)
  return acks
}

export function parsePids(texts: readonly string[] | undefined): number[] {
  return (texts ?? []).flatMap((text) => text.split(',')).map((text) => parseWhole(text, '--pid', 1))
}
