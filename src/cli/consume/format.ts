// Turns records into output text for `consume`: text, JSON lines, or a template. Pure.

import { asBuffer } from '../../model/bytes.js'
import { usageError } from '../errors.js'

export interface OutputRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly (readonly [key: string, value: Uint8Array | null])[]
}

export type Formatter = (record: OutputRecord) => string

export interface TextParts {
  readonly keys: boolean
  readonly headers: boolean
}

export const TEMPLATE_HELP = `
Templates: %k key, %v value, %o offset, %p partition, %t topic, %T timestamp (ms), %h headers, %% a percent sign;
\\n \\t \\\\ as usual. A line end is added unless the template ends with one.`

/** `format` is text, json or a template (anything with a %). */
export function formatterFor(format: string, parts: TextParts): Formatter {
  if (format === 'text') return textFormatter(parts)
  if (format === 'json') return (record) => `${JSON.stringify(jsonOf(record))}\n`
  if (!format.includes('%'))
    throw usageError(`--format takes text, json or a template with %v and the like, and ${JSON.stringify(format)} is none`)
  return templateFormatter(format)
}

function textFormatter({ keys, headers }: TextParts): Formatter {
  return (record) => {
    let text = keys ? `${showText(record.key)}\t${showText(record.value)}` : showText(record.value)
    if (headers) text = `${showHeaders(record)}\t${text}`
    return `${text}\n`
  }
}

function showText(bytes: Uint8Array | null): string {
  return bytes === null ? 'null' : asBuffer(bytes).toString('utf8')
}

function showHeaders(record: OutputRecord): string {
  return record.headers.map(([key, value]) => `${key}=${showText(value)}`).join(',')
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Bytes that are not UTF-8 go into `<name>Base64`, so that nothing is lost. */
function jsonOf(record: OutputRecord): object {
  const { topic, partition, offset, timestamp } = record
  const headers = record.headers.map(([key, value]) => [key, value === null ? null : (decode(value) ?? toBase64(value))] as const)
  const unique = new Set(headers.map(([key]) => key)).size === headers.length
  return {
    topic,
    partition,
    offset,
    timestamp,
    ...field('key', record.key),
    ...field('value', record.value),
    ...(headers.length === 0 ? {} : { headers: unique ? Object.fromEntries(headers) : headers }),
  }
}

function field(name: 'key' | 'value', bytes: Uint8Array | null): object {
  if (bytes === null) return { [name]: null }
  const text = decode(bytes)
  return text === undefined ? { [`${name}Base64`]: toBase64(bytes) } : { [name]: text }
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes)
  } catch {
    return undefined // not UTF-8: the caller writes base64
  }
}

function toBase64(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('base64')
}

const FIELDS: Readonly<Record<string, (record: OutputRecord) => string>> = {
  k: (record) => showText(record.key),
  v: (record) => showText(record.value),
  o: (record) => String(record.offset),
  p: (record) => String(record.partition),
  t: (record) => record.topic,
  T: (record) => String(record.timestamp),
  h: showHeaders,
  '%': () => '%',
}

function templateFormatter(template: string): Formatter {
  const unescaped = template.replace(/\\([ntr\\])/g, (_, letter: string) => ({ n: '\n', t: '\t', r: '\r', '\\': '\\' })[letter]!)
  const parts = unescaped.split(/(%.)/s).filter((part) => part !== '')
  const writers = parts.map((part): Formatter => {
    if (part[0] !== '%' || part.length !== 2) return () => part
    const writer = FIELDS[part[1]!]
    if (!writer) throw usageError(`the template has ${JSON.stringify(part)}, which stands for nothing`, 'use %k %v %o %p %t %T %h or %%')
    return writer
  })
  const end = unescaped.endsWith('\n') ? '' : '\n'
  return (record) => writers.map((write) => write(record)).join('') + end
}
