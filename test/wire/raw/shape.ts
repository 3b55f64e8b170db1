// A second, tiny reader and writer of Kafka messages, independent of src/protocol: the oracle of the wire tests.
// A shape is a text: `error:i16 topics:[ name:s partitions:[ index:i32 ] ]`; types below; `[i32]` is an array of numbers.

export type Value = null | boolean | number | bigint | string | Buffer | Value[] | { [name: string]: Value }
export type Fields = { readonly [name: string]: Value }

interface Field {
  readonly name: string
  readonly type: string
  readonly fields: readonly Field[] | null
}

const parsed = new Map<string, readonly Field[]>()

function parse(shape: string): readonly Field[] {
  const known = parsed.get(shape)
  if (known) return known
  const words = shape
    .trim()
    .split(/\s+/)
    .filter((word) => word.length > 0)
  const fields = parseFields(words)
  if (words.length > 0) throw new Error(`unbalanced shape: ${shape}`)
  parsed.set(shape, fields)
  return fields
}

function parseFields(words: string[]): readonly Field[] {
  const fields: Field[] = []
  for (let word = words.shift(); word !== undefined && word !== ']'; word = words.shift()) {
    const [name, type] = word.split(':') as [string, string]
    fields.push(type === '[' ? { name, type, fields: parseFields(words) } : { name, type, fields: null })
  }
  return fields
}

export function uvarint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  while (rest > 127) {
    bytes.push((rest % 128) | 128)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
  return Buffer.from(bytes)
}

/** Zigzag varint of up to 64 bits. */
export function varint(value: number | bigint): Buffer {
  const wide = BigInt(value)
  let rest = BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n))
  const bytes: number[] = []
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  bytes.push(Number(rest))
  return Buffer.from(bytes)
}

export function int(size: 1 | 2 | 4, value: number): Buffer {
  const out = Buffer.alloc(size)
  out.writeIntBE(value, 0, size)
  return out
}

export function int64(value: number | bigint): Buffer {
  const out = Buffer.alloc(8)
  out.writeBigInt64BE(BigInt.asIntN(64, BigInt(value)))
  return out
}

const INTS: Readonly<Record<string, 1 | 2 | 4>> = { i8: 1, i16: 2, i32: 4 }

function sized(bytes: Buffer | null, flexible: boolean, lengthSize: 2 | 4): Buffer {
  if (flexible) return bytes === null ? uvarint(0) : Buffer.concat([uvarint(bytes.length + 1), bytes])
  return bytes === null ? int(lengthSize, -1) : Buffer.concat([int(lengthSize, bytes.length), bytes])
}

function count(values: readonly Value[] | null, flexible: boolean): Buffer {
  if (flexible) return uvarint(values === null ? 0 : values.length + 1)
  return int(4, values === null ? -1 : values.length)
}

function one(type: string, value: Value, flexible: boolean): Buffer {
  const size = INTS[type]
  if (size) return int(size, value as number)
  if (type === 'i64') return int64(value as number | bigint)
  if (type === 'bool') return int(1, value ? 1 : 0)
  if (type === 's') return sized(value === null ? null : Buffer.from(value as string), flexible, 2)
  if (type === 'bytes') return sized(value as Buffer | null, flexible, 4)
  if (type === 'uuid') return value === null ? Buffer.alloc(16) : (value as Buffer)
  if (type.startsWith('[')) {
    const values = value as Value[] | null
    return Buffer.concat([count(values, flexible), ...(values ?? []).map((item) => one(type.slice(1, -1), item, flexible))])
  }
  throw new Error(`unknown type ${type}`)
}

function struct(fields: readonly Field[], values: Fields, flexible: boolean): Buffer {
  const parts: Buffer[] = []
  for (const field of fields) {
    const value = values[field.name]
    if (value === undefined) throw new Error(`no value for ${field.name}`)
    if (!field.fields) {
      parts.push(one(field.type, value, flexible))
      continue
    }
    const items = value as Fields[] | null
    parts.push(count(items as Value[] | null, flexible), ...(items ?? []).map((item) => struct(field.fields!, item, flexible)))
  }
  if (flexible) parts.push(uvarint(0))
  return Buffer.concat(parts)
}

export function encode(shape: string, values: Fields, flexible: boolean): Buffer {
  return struct(parse(shape), values, flexible)
}

/** Reads one message; tagged fields are skipped. Throws RangeError where the bytes end early. */
class Cursor {
  position = 0
  readonly bytes: Buffer
  constructor(bytes: Buffer) {
    this.bytes = bytes
  }
  take(size: number): Buffer {
    if (this.position + size > this.bytes.length) throw new RangeError(`message ends at ${this.bytes.length}, ${size} more expected`)
    return this.bytes.subarray(this.position, (this.position += size))
  }
  int(size: 1 | 2 | 4): number {
    return this.take(size).readIntBE(0, size)
  }
  uvarint(): number {
    let value = 0
    for (let shift = 1; ; shift *= 128) {
      const byte = this.take(1)[0]!
      value += (byte & 127) * shift
      if (byte < 128) return value
    }
  }
  length(flexible: boolean, size: 2 | 4): number {
    return flexible ? this.uvarint() - 1 : this.int(size)
  }
}

function readOne(type: string, cursor: Cursor, flexible: boolean): Value {
  const size = INTS[type]
  if (size) return cursor.int(size)
  if (type === 'i64') return cursor.take(8).readBigInt64BE()
  if (type === 'bool') return cursor.int(1) !== 0
  if (type === 'uuid') return Buffer.from(cursor.take(16))
  if (type === 's' || type === 'bytes') {
    const length = cursor.length(flexible, type === 's' ? 2 : 4)
    if (length < 0) return null
    return type === 's' ? cursor.take(length).toString() : Buffer.from(cursor.take(length))
  }
  const items = cursor.length(flexible, 4)
  return items < 0 ? null : Array.from({ length: items }, () => readOne(type.slice(1, -1), cursor, flexible))
}

function readStruct(fields: readonly Field[], cursor: Cursor, flexible: boolean): { [name: string]: Value } {
  const values: { [name: string]: Value } = {}
  for (const field of fields) {
    if (!field.fields) {
      values[field.name] = readOne(field.type, cursor, flexible)
      continue
    }
    const items = cursor.length(flexible, 4)
    values[field.name] = items < 0 ? null : Array.from({ length: items }, () => readStruct(field.fields!, cursor, flexible))
  }
  if (flexible) skipTags(cursor)
  return values
}

function skipTags(cursor: Cursor): void {
  for (let tags = cursor.uvarint(); tags > 0; tags--) {
    cursor.uvarint()
    cursor.take(cursor.uvarint())
  }
}

export function decode(shape: string, bytes: Buffer, flexible: boolean): { [name: string]: Value } {
  const cursor = new Cursor(bytes)
  const values = readStruct(parse(shape), cursor, flexible)
  if (cursor.position !== bytes.length) throw new RangeError(`${bytes.length - cursor.position} bytes left over after ${shape}`)
  return values
}
