// What --from and --until mean. Pure.

import { usageError } from '../errors.js'
import { parseTime } from '../options.js'

export type Bound =
  | { readonly kind: 'beginning' }
  | { readonly kind: 'end' }
  | { readonly kind: 'offset'; readonly offset: number }
  | { readonly kind: 'time'; readonly timestamp: number }

export const BOUND_HELP = 'beginning, end, an offset, a date (2026-01-31T12:00), an age (15m, 2h, 3d) or @EPOCH_MS'

export function parseBound(text: string, flag: string, now = Date.now()): Bound {
  if (text === 'beginning' || text === 'earliest') return { kind: 'beginning' }
  if (text === 'end' || text === 'latest') return { kind: 'end' }
  if (/^\d+$/.test(text)) return { kind: 'offset', offset: Number(text) }
  try {
    return { kind: 'time', timestamp: parseTime(text.replace(/^@/, ''), flag, now) }
  } catch {
    throw usageError(`${flag} takes ${BOUND_HELP}, and ${JSON.stringify(text)} is none of them`)
  }
}
