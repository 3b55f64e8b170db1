// Turns input lines into records for `produce`. Pure.

import { usageError } from '../errors.js'

export interface InputRecord {
  readonly key: Uint8Array | string | null
  readonly value: Uint8Array | string | null
  readonly headers?: readonly (readonly [key: string, value: Uint8Array | string | null])[]
  readonly partition?: number
  readonly timestamp?: number
}

export interface LineFormat {
  readonly format: 'text' | 'json'
  /** Splits a text line into key and value at its first occurrence; null: lines have no key. */
  readonly keySeparator: string | null
  /** Added to every record. */
  readonly headers: readonly (readonly [string, string])[]
}

export function parseLine(line: string, number: number, how: LineFormat): InputRecord {
  const record = how.format === 'json' ? parseJsonLine(line, number) : parseTextLine(line, number, how.keySeparator)
  if (how.headers.length === 0) return record
  return { ...record, headers: [...how.headers, ...(record.headers ?? [])] }
}

function parseTextLine(line: string, number: number, separator: string | null): InputRecord {
  if (separator === null) return { key: null, value: line }
  const at = line.indexOf(separator)
  if (at < 0)
    throw usageError(
      `line ${number} has no key separator ${JSON.stringify(separator)}`,
      'write KEY, the separator and VALUE on every line, or leave --key-separator out',
    )
  return { key: line.slice(0, at), value: line.slice(at + separator.length) }
}

const JSON_FIELDS = new Set(['key', 'value', 'headers', 'partition', 'timestamp', 'keyBase64', 'valueBase64', 'topic', 'offset'])

/** The form `consume --format json` writes; topic and offset are ignored, so its output can be produced again. */
function parseJsonLine(line: string, number: number): InputRecord {
  const wrong = (problem: string): Error =>
    usageError(
      `line ${number} ${problem}`,
      'write one object per line: {"key": …, "value": …, "headers": {…}, "partition": 0, "timestamp": 1767225600000}',
    )
  let parsed: unknown
  try {
    parsed = JSON.parse(line)
  } catch (error) {
    throw wrong(`is not JSON (${(error as Error).message})`)
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw wrong('is not a JSON object')
  const fields = parsed as Record<string, unknown>
  const stranger = Object.keys(fields).find((name) => !JSON_FIELDS.has(name))
  if (stranger !== undefined) throw wrong(`has the unknown field ${JSON.stringify(stranger)}`)
  const whole = (name: 'partition' | 'timestamp'): number | undefined => {
    const value = fields[name]
    if (value === undefined || value === null) return undefined
    if (!Number.isSafeInteger(value)) throw wrong(`has a ${name} that is not a whole number`)
    return value as number
  }
  const partition = whole('partition')
  const timestamp = whole('timestamp')
  return {
    key: bytesOf(fields['key'], fields['keyBase64']),
    value: bytesOf(fields['value'], fields['valueBase64']),
    ...(fields['headers'] ? { headers: headersOf(fields['headers'], wrong) } : {}),
    ...(partition === undefined ? {} : { partition }),
    ...(timestamp === undefined ? {} : { timestamp }),
  }
}

/** Strings as they are, other JSON as JSON text, absent and null as null. */
function bytesOf(value: unknown, base64: unknown): Uint8Array | string | null {
  if (typeof base64 === 'string') return Buffer.from(base64, 'base64')
  if (value === undefined || value === null) return null
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** An object, or a list of [name, value] pairs where a name occurs twice. */
function headersOf(value: unknown, wrong: (problem: string) => Error): [string, string | null][] {
  const pairs: [unknown, unknown][] = Array.isArray(value)
    ? (value as [unknown, unknown][])
    : typeof value === 'object'
      ? Object.entries(value as object)
      : []
  return pairs.map((pair) => {
    if (!Array.isArray(pair) || typeof pair[0] !== 'string') throw wrong('has headers that are neither an object nor a list of pairs')
    return [pair[0], bytesOf(pair[1], undefined) as string | null]
  })
}
