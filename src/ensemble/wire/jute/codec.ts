// Turns a record's table into JavaScript source: straight-line code that reads or writes it, one object literal per record so that all of
// its objects share a hidden class. Source is made from our own tables only, never from input. Reading goes through protocol/codec's
// Reader, which checks every length against what is left before anything is allocated.

import { Reader } from '../../../protocol/codec/reader.js'
import type { Field, Fields, JuteRecord, ShapeOf } from './schema.js'
import { JuteWriter } from './writer.js'

/** The reader and the writer of this thread: neither decoding nor encoding ever waits. */
export const reader = new Reader()
export const writer = new JuteWriter()

export type Encode<R> = (w: JuteWriter, value: ShapeOf<R>) => void
export type Decode<R> = (r: Reader) => ShapeOf<R>

export interface Codec<R> {
  readonly write: Encode<R>
  readonly read: Decode<R>
}

const compiled = new Map<JuteRecord, Codec<JuteRecord>>()

export function codecOf<R extends JuteRecord>(of: R): Codec<R> {
  let codec = compiled.get(of)
  if (!codec) {
    codec = { write: finish(encodeRecord, of) as Encode<JuteRecord>, read: finish(decodeRecord, of) as Decode<JuteRecord> }
    compiled.set(of, codec)
  }
  return codec as unknown as Codec<R>
}

function finish(compile: (functions: string[], fields: Fields) => string, of: JuteRecord): unknown {
  const functions: string[] = []
  const main = compile(functions, of.fields)
  // oxlint-disable-next-line typescript/no-implied-eval -- the source comes from our own tables
  return new Function(`'use strict'\n${functions.join('\n')}\nreturn ${main}`)()
}

function add(functions: string[], parameters: string, body: string): string {
  const name = `f${functions.length}`
  functions.push(`function ${name}(${parameters}) {\n${body}\n}`)
  return name
}

/** The fewest bytes a field can take: what a vector's count is checked against. */
function minimumSize(field: Field): number {
  switch (field.kind) {
    case 'bool':
      return 1
    case 'long':
    case 'time':
      return 8
    case 'record':
      return Object.values(field.fields!).reduce((sum, member) => sum + minimumSize(member), 0)
    default:
      return 4
  }
}

function decodeRecord(functions: string[], fields: Fields): string {
  const members = Object.entries(fields)
  const reads = members.map(([, field], i) => `const v${i} = ${decodeField(functions, field)}`)
  return add(functions, 'r', `${reads.join('\n')}\nreturn { ${members.map(([name], i) => `${name}: v${i}`).join(', ')} }`)
}

function decodeField(functions: string[], field: Field): string {
  switch (field.kind) {
    case 'int':
      return 'r.int32()'
    case 'long':
      return 'r.bigint64()'
    case 'time':
      return 'r.time64()'
    case 'bool':
      return 'r.bool()'
    case 'ustring':
      return `${add(functions, 'r', `const n = r.length32()\nreturn n <= 0 ? '' : r.text(n)`)}(r)`
    case 'buffer':
      return `${add(functions, 'r', `const n = r.length32()\nreturn n < 0 ? null : r.view(n)`)}(r)`
    case 'record':
      return `${decodeRecord(functions, field.fields!)}(r)`
    case 'vector': {
      const item = decodeField(functions, field.element!)
      const body = `const n = r.length32()
if (n <= 0) return []
r.countLarge(n, ${minimumSize(field.element!)})
const items = []
for (let i = 0; i < n; i++) items.push(${item})
return items`
      return `${add(functions, 'r', body)}(r)`
    }
  }
}

function encodeRecord(functions: string[], fields: Fields): string {
  const writes = Object.entries(fields).map(([name, field]) => encodeField(functions, field, `s.${name}`))
  return add(functions, 'w, s', writes.join('\n'))
}

function encodeField(functions: string[], field: Field, value: string): string {
  switch (field.kind) {
    case 'record':
      return `${encodeRecord(functions, field.fields!)}(w, ${value})`
    case 'vector': {
      const item = encodeField(functions, field.element!, 'items[i]')
      return `${add(functions, 'w, items', `w.int(items.length)\nfor (let i = 0; i < items.length; i++) { ${item} }`)}(w, ${value})`
    }
    default:
      return `w.${field.kind}(${value})`
  }
}
