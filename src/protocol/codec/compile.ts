// Turns a message's table into JavaScript source for one version: straight-line code without a look at the table, and one object literal
// per struct, so that every object of a struct has the same hidden class. bench/micro/codec.bench.ts holds it against an interpreter of the
// table and against composed closures. Source is made from our own tables only, never from input.

import type { Reader } from './reader.js'
import type { Writer } from './writer.js'
import { includes } from '../schema/dsl.js'
import type { Field, Fields, Message } from '../schema/dsl.js'

export type Decode = (reader: Reader) => object
export type Encode = (writer: Writer, value: object) => void

interface Source {
  readonly version: number
  readonly flexible: boolean
  readonly functions: string[]
  /** Values the source refers to as `k[i]`. */
  readonly constants: unknown[]
}

export function compileDecoder(message: Message, version: number): Decode {
  const source = begin(message, version)
  const main = decodeStruct(source, message.fields, message.name)
  return finish(source, main) as Decode
}

export function compileEncoder(message: Message, version: number): Encode {
  const source = begin(message, version)
  const main = encodeStruct(source, message.fields, message.name)
  return finish(source, main) as Encode
}

function begin(message: Message, version: number): Source {
  return { version, flexible: includes(message.flexible, version), functions: [], constants: [] }
}

function finish(source: Source, main: string): unknown {
  const constants = source.constants.map((_, i) => `const k${i} = k[${i}]\n`).join('')
  // oxlint-disable-next-line typescript/no-implied-eval -- the source comes from our own tables
  return new Function('k', `'use strict'\n${constants}${source.functions.join('\n')}\nreturn ${main}`)(source.constants)
}

function constant(source: Source, value: unknown): string {
  return `k${source.constants.push(value) - 1}`
}

/** A literal where there is one, so that the engine sees it. */
function literal(source: Source, value: unknown): string {
  if (value === null || typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'bigint') return `${value}n`
  return constant(source, value)
}

function add(source: Source, parameters: string, body: string): string {
  const name = `f${source.functions.length}`
  source.functions.push(`function ${name}(${parameters}) {\n${body}}`)
  return name
}

function isPlain(source: Source, field: Field): boolean {
  return field.tag === undefined && includes(field.versions, source.version)
}

function taggedOf(source: Source, fields: Fields): [string, Field][] {
  if (!source.flexible) return []
  const tagged = Object.entries(fields).filter(([, field]) => field.tag !== undefined && includes(field.versions, source.version))
  return tagged.sort((a, b) => a[1].tag! - b[1].tag!)
}

/** The fewest bytes an element of an array can take: what a count is checked against. */
export function minimumSize(field: Field, version: number, flexible: boolean): number {
  switch (field.kind) {
    case 'bool':
    case 'int8':
      return 1
    case 'int16':
    case 'uint16':
      return 2
    case 'int32':
      return 4
    case 'int64':
    case 'time64':
    case 'bigint64':
    case 'float64':
      return 8
    case 'uuid':
      return 16
    case 'string':
      return flexible ? 1 : 2
    case 'bytes':
    case 'records':
    case 'array':
      return flexible ? 1 : 4
    case 'struct': {
      if (includes(field.nullable, version)) return 1
      let size = flexible ? 1 : 0
      for (const member of Object.values(field.fields!)) {
        if (member.tag === undefined && includes(member.versions, version)) size += minimumSize(member, version, flexible)
      }
      return size
    }
  }
}

function decodeStruct(source: Source, fields: Fields, path: string): string {
  let body = ''
  const members: string[] = []
  let index = 0
  const names = new Map<string, string>()
  for (const [name, field] of Object.entries(fields)) {
    if (isPlain(source, field)) {
      const variable = `v${index++}`
      body += `const ${variable} = ${decodeField(source, field, `${path}.${name}`)}\n`
      members.push(`${name}: ${variable}`)
    } else {
      const initial = literal(source, field.default)
      if (field.tag !== undefined && source.flexible && includes(field.versions, source.version)) {
        const variable = `t${index++}`
        names.set(name, variable)
        body += `let ${variable} = ${initial}\n`
        members.push(`${name}: ${variable}`)
      } else members.push(`${name}: ${initial}`)
    }
  }
  if (source.flexible) body += decodeTags(source, fields, names, path)
  return add(source, 'r', `${body}return { ${members.join(', ')} }\n`)
}

function decodeTags(source: Source, fields: Fields, names: ReadonlyMap<string, string>, path: string): string {
  const tagged = taggedOf(source, fields)
  if (tagged.length === 0) return 'r.skipTags()\n'
  let cases = ''
  for (const [name, field] of tagged) {
    cases += `case ${field.tag}: ${names.get(name)} = ${decodeField(source, field, `${path}.${name}`)}; break\n`
  }
  return `for (let n = r.uvarint(); n > 0; n--) {
const tag = r.uvarint()
const end = r.enter(r.uvarint())
switch (tag) {
${cases}}
r.leave(end)
}
`
}

function decodeField(source: Source, field: Field, path: string): string {
  const compact = source.flexible && field.compact
  const nothing = includes(field.nullable, source.version) ? 'null' : `r.null('${path}')`
  switch (field.kind) {
    case 'string': {
      const read = add(source, 'r', `const n = r.${compact ? 'compactLength' : 'length16'}()\nreturn n < 0 ? ${nothing} : r.text(n)\n`)
      return `${read}(r)`
    }
    case 'bytes':
    case 'records': {
      const read = add(source, 'r', `const n = r.${compact ? 'compactLength' : 'length32'}()\nreturn n < 0 ? ${nothing} : r.view(n)\n`)
      return `${read}(r)`
    }
    case 'struct': {
      const read = decodeStruct(source, field.fields!, path)
      if (!includes(field.nullable, source.version)) return `${read}(r)`
      // A byte says whether there is one: -1 for null, but 0 in the tagged section.
      return `(r.int8() ${field.tag === undefined ? '<' : '<='} 0 ? null : ${read}(r))`
    }
    case 'array': {
      const element = field.element!
      const size = Math.max(1, minimumSize(element, source.version, source.flexible))
      const check = element.kind !== 'struct' && element.kind !== 'string' && size >= 4 ? 'count' : 'countLarge'
      const item = decodeField(source, element, `${path}[]`)
      const read = add(
        source,
        'r',
        `const n = r.${compact ? 'compactLength' : 'length32'}()
if (n < 0) return ${nothing}
r.${check}(n, ${size})
const items = []
for (let i = 0; i < n; i++) items.push(${item})
return items
`,
      )
      return `${read}(r)`
    }
    default:
      return `r.${field.kind}()`
  }
}

function encodeStruct(source: Source, fields: Fields, path: string): string {
  let body = ''
  for (const [name, field] of Object.entries(fields)) {
    if (isPlain(source, field)) body += encodeMember(source, `s.${name}`, field, `${path}.${name}`)
  }
  if (source.flexible) body += encodeTags(source, fields, path)
  return add(source, 'w, s', body)
}

/** A member that was left out is written as its default. */
function encodeMember(source: Source, expression: string, field: Field, path: string): string {
  const fallback = literal(source, field.default)
  return `{ let v = ${expression}; if (v === undefined) v = ${fallback}\n${encodeValue(source, field, path)} }\n`
}

/** Code that writes `v`. */
function encodeValue(source: Source, field: Field, path: string): string {
  const compact = source.flexible && field.compact
  const nullable = includes(field.nullable, source.version)
  const refuse = `throw new TypeError('${path} must not be null in version ${source.version}')`
  const guard = (nothing: string, rest: string): string => `if (v === null) { ${nullable ? nothing : refuse} } else { ${rest} }`
  const kind = field.kind
  switch (kind) {
    case 'string':
      return guard(compact ? 'w.uvarint(0)' : 'w.int16(-1)', compact ? 'w.compactString(v)' : 'w.string(v)')
    case 'bytes':
    case 'records': {
      const method = kind === 'bytes' ? (compact ? 'compactBytes' : 'bytes') : compact ? 'compactRecords' : 'records'
      return guard(compact ? 'w.uvarint(0)' : 'w.int32(-1)', `w.${method}(v)`)
    }
    case 'struct': {
      const write = `${encodeStruct(source, field.fields!, path)}(w, v)`
      return nullable ? guard(`w.int8(${field.tag === undefined ? -1 : 0})`, `w.int8(1); ${write}`) : guard('', write)
    }
    case 'array': {
      const item = encodeValue(source, field.element!, `${path}[]`)
      const write = `const items = v
w.${compact ? 'uvarint(items.length + 1)' : 'int32(items.length)'}
for (let i = 0; i < items.length; i++) { const v = items[i]; ${item} }`
      return guard(compact ? 'w.uvarint(0)' : 'w.int32(-1)', write)
    }
    default:
      return `w.${kind}(v)`
  }
}

function encodeTags(source: Source, fields: Fields, path: string): string {
  const tagged = taggedOf(source, fields)
  if (tagged.length === 0) return 'w.uvarint(0)\n'
  let tests = 'let n = 0\n'
  let writes = ''
  tagged.forEach(([name, field], i) => {
    tests += `const v${i} = s.${name}\nconst has${i} = v${i} !== undefined && !(${isDefault(source, field, `v${i}`)})\nif (has${i}) n++\n`
    writes += `if (has${i}) { const v = v${i}; const mark = w.beginTag(${field.tag})\n${encodeValue(source, field, `${path}.${name}`)}\nw.endTag(mark) }\n`
  })
  return `${tests}w.uvarint(n)\n${writes}`
}

/** An expression that says whether a value is the field's default: tagged fields are then left out. */
function isDefault(source: Source, field: Field, expression: string): string {
  if (field.default === null) return `${expression} === null`
  switch (field.kind) {
    case 'array':
    case 'bytes':
    case 'records':
      return `${expression} !== null && ${expression}.length === 0`
    case 'struct': {
      const tests = Object.entries(field.fields!).map(
        ([name, member]) => `(s.${name} === undefined || ${isDefault(source, member, `s.${name}`)})`,
      )
      return `${add(source, 's', `return s !== null && ${tests.join(' && ') || 'true'}\n`)}(${expression})`
    }
    default:
      return `${expression} === ${literal(source, field.default)}`
  }
}
