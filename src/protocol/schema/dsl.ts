// The notation in which every message is written down, and the types that follow from it. A message is an object of fields in
// wire order; a field is made by the function named after its wire type. Nothing here reads or writes bytes.
//
//   name: string('0+')                                  in every version, never null
//   name: string('1-4', { nullable: '3+' })             on the wire in versions 1 to 4, may be null from 3
//   name: int32('7+', { default: -1 })                  what the in-memory shape holds when the version lacks the field
//   name: int32('12+', { tag: 0 })                      a tagged field (only in flexible versions)
//   topics: array('0+', { name: string('0+') })         an array of structs; arrays of scalars: arrayOf('0+', int32)

/** Inclusive. `[1, 0]` is the empty range. */
export type VersionRange = readonly [min: number, max: number]

export const NEVER: VersionRange = [1, 0]
export const LATEST = 32767

export type Kind =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'int64'
  | 'time64'
  | 'bigint64'
  | 'float64'
  | 'string'
  | 'uuid'
  | 'bytes'
  | 'records'
  | 'struct'
  | 'array'

export interface Field<T = unknown> {
  readonly kind: Kind
  readonly versions: VersionRange
  readonly nullable: VersionRange
  /** Number in the tagged section, where the field is tagged at all. */
  readonly tag: number | undefined
  /** What the in-memory shape holds when the bytes do not carry the field. Also carries the field's type. */
  readonly default: T
  /** Element of an array. */
  readonly element: Field | undefined
  /** Members of a struct. */
  readonly fields: Fields | undefined
  /** False: keeps the old length prefix in flexible versions too (the client id in the request header). */
  readonly compact: boolean
}

export type Fields = { readonly [name: string]: Field }

/** The in-memory shape of a struct: every field, whatever the version. */
export type ShapeOf<F extends Fields> = { readonly [K in keyof F]: F[K]['default'] }

export interface Message<F extends Fields = Fields> {
  readonly name: string
  readonly versions: VersionRange
  /** Versions with compact lengths and tagged fields. */
  readonly flexible: VersionRange
  readonly fields: F
}

/** What decoding a message gives. */
export type MessageOf<M extends Message> = ShapeOf<M['fields']>

/** What encoding takes: a field left out is sent as its default. */
export type InputOf<M extends Message> = InputShape<MessageOf<M>>
type InputShape<T> = T extends Uint8Array | string | number | bigint | boolean | null
  ? T
  : T extends readonly (infer E)[]
    ? readonly InputShape<E>[]
    : { readonly [K in keyof T]?: InputShape<T[K]> | undefined }

interface Options<T> {
  readonly default?: T
  readonly tag?: number
  readonly compact?: false
}
interface NullableOptions<T> extends Options<T | null> {
  readonly nullable: string
}
type AnyOptions = { readonly default?: unknown; readonly tag?: number; readonly nullable?: string; readonly compact?: false }

interface Scalar<T> {
  (versions: string, options?: Options<T>): Field<T>
}
interface NullableScalar<T> extends Scalar<T> {
  (versions: string, options: NullableOptions<T>): Field<T | null>
}

/** The same few texts stand in the tables some three thousand times. */
const knownRanges = new Map<string, VersionRange>()

/** `'3+'`, `'0-12'`, `'4'`, `'none'`. */
export function versionRange(text: string): VersionRange {
  let range = knownRanges.get(text)
  if (range === undefined) knownRanges.set(text, (range = parseRange(text)))
  return range
}

function parseRange(text: string): VersionRange {
  if (text === 'none') return NEVER
  const match = /^(\d+)(?:(\+)|-(\d+))?$/.exec(text)
  if (!match) throw new Error(`not a version range: ${text}`)
  const min = Number(match[1])
  return [min, match[2] ? LATEST : match[3] ? Number(match[3]) : min]
}

export function includes(range: VersionRange, version: number): boolean {
  return version >= range[0] && version <= range[1]
}

function make(kind: Kind, versions: string, natural: unknown, options: AnyOptions = {}, element?: Field, fields?: Fields): Field<never> {
  return {
    kind,
    versions: versionRange(versions),
    nullable: options.nullable === undefined ? NEVER : versionRange(options.nullable),
    tag: options.tag,
    default: (options.default === undefined ? natural : options.default) as never,
    element,
    fields,
    compact: options.compact !== false,
  }
}

function scalar<T>(kind: Kind, natural: T): NullableScalar<T> {
  return (versions: string, options?: AnyOptions): Field<never> => make(kind, versions, natural, options)
}

const NO_BYTES: Uint8Array = Buffer.alloc(0)

export const bool: Scalar<boolean> = scalar<boolean>('bool', false)
export const int8: Scalar<number> = scalar<number>('int8', 0)
export const int16: Scalar<number> = scalar<number>('int16', 0)
export const uint16: Scalar<number> = scalar<number>('uint16', 0)
export const int32: Scalar<number> = scalar<number>('int32', 0)
/** A `number`: a value past 2^53 is refused at decoding. */
export const int64: Scalar<number> = scalar<number>('int64', 0)
/** A moment or a length of time: clients say "for ever" with the largest int64, which becomes the largest safe integer. */
export const time64: Scalar<number> = scalar<number>('time64', 0)
/** The full range is in use. */
export const bigint64: Scalar<bigint> = scalar<bigint>('bigint64', 0n)
export const float64: Scalar<number> = scalar<number>('float64', 0)
export const string: NullableScalar<string> = scalar<string>('string', '')
/** 22 characters of base64url. */
export const uuid: Scalar<string> = scalar<string>('uuid', 'AAAAAAAAAAAAAAAAAAAAAA')
export const bytes: NullableScalar<Uint8Array> = scalar<Uint8Array>('bytes', NO_BYTES)
/** Record batches as they are on disk. Decoded as a view; large ones are encoded without a copy. */
export const records: NullableScalar<Uint8Array> = scalar<Uint8Array>('records', NO_BYTES)

export function struct<F extends Fields>(versions: string, fields: F): Field<ShapeOf<F>>
export function struct<F extends Fields>(versions: string, fields: F, options: NullableOptions<ShapeOf<F>>): Field<ShapeOf<F> | null>
export function struct<F extends Fields>(versions: string, fields: F, options: Options<ShapeOf<F>>): Field<ShapeOf<F>>
export function struct(versions: string, fields: Fields, options?: AnyOptions): Field<never> {
  return make('struct', versions, defaultsOf(fields), options, undefined, fields)
}

/** An array of structs. */
export function array<F extends Fields>(versions: string, fields: F): Field<readonly ShapeOf<F>[]>
export function array<F extends Fields>(
  versions: string,
  fields: F,
  options: NullableOptions<readonly ShapeOf<F>[]>,
): Field<readonly ShapeOf<F>[] | null>
export function array<F extends Fields>(versions: string, fields: F, options: Options<readonly ShapeOf<F>[]>): Field<readonly ShapeOf<F>[]>
export function array(versions: string, fields: Fields, options?: AnyOptions): Field<never> {
  return make('array', versions, NO_ITEMS, options, make('struct', '0+', defaultsOf(fields), undefined, undefined, fields))
}

/** An array of scalars. */
export function arrayOf<T>(versions: string, element: Scalar<T>): Field<readonly T[]>
export function arrayOf<T>(versions: string, element: Scalar<T>, options: NullableOptions<readonly T[]>): Field<readonly T[] | null>
export function arrayOf<T>(versions: string, element: Scalar<T>, options: Options<readonly T[]>): Field<readonly T[]>
export function arrayOf(versions: string, element: Scalar<unknown>, options?: AnyOptions): Field<never> {
  return make('array', versions, NO_ITEMS, options, element('0+'))
}

const NO_ITEMS: readonly never[] = Object.freeze([])

/** The shape with nothing said. Shared, therefore frozen. */
export function defaultsOf<F extends Fields>(fields: F): ShapeOf<F> {
  const shape: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(fields)) shape[name] = field.default
  return Object.freeze(shape) as ShapeOf<F>
}

export function message<F extends Fields>(name: string, versions: string, flexible: string, fields: F): Message<F> {
  return { name, versions: versionRange(versions), flexible: versionRange(flexible), fields }
}
