// The notation of ZooKeeper's records: a record is a table of fields in wire order, written down once (`records.ts`); the codec and the
// TypeScript shapes both come from it. Nothing here reads or writes bytes.

export type FieldKind = 'int' | 'long' | 'time' | 'bool' | 'ustring' | 'buffer' | 'record' | 'vector'

export interface Field<T = unknown> {
  readonly kind: FieldKind
  /** What a null on the wire is read as, and the carrier of the field's type. */
  readonly empty: T
  readonly element: Field | undefined
  readonly fields: Fields | undefined
}

export type Fields = { readonly [name: string]: Field }

export interface JuteRecord<F extends Fields = Fields> {
  readonly name: string
  readonly fields: F
}

export type ShapeOf<R> = R extends JuteRecord<infer F> ? { readonly [K in keyof F]: F[K]['empty'] } : never

function plain<T>(kind: FieldKind, empty: T): Field<T> {
  return { kind, empty, element: undefined, fields: undefined }
}

export const int = plain('int', 0)
/** zxids and session ids: they exceed 2^53. */
export const long = plain('long', 0n)
/** A long that holds milliseconds. */
export const time = plain('time', 0)
export const bool = plain('bool', false)
/** UTF-8; a null is read as ''. */
export const ustring = plain('ustring', '')
export const buffer: Field<Uint8Array | null> = plain<Uint8Array | null>('buffer', null)

export function record<F extends Fields>(name: string, fields: F): JuteRecord<F> {
  return { name, fields }
}

/** A record inside another. */
export function inner<F extends Fields>(of: JuteRecord<F>): Field<ShapeOf<JuteRecord<F>>> {
  return { kind: 'record', empty: {} as ShapeOf<JuteRecord<F>>, element: undefined, fields: of.fields }
}

/** A null is read as an empty list. */
export function vector<T>(element: Field<T>): Field<readonly T[]> {
  return { kind: 'vector', empty: [], element, fields: undefined }
}
