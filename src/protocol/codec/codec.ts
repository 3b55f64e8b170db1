// Message ↔ bytes. Owns the compiled decoders and encoders, one per message and version, made at first use. Knows no header and no frame.

import { asBuffer } from '../../model/bytes.js'
import { compileDecoder, compileEncoder } from './compile.js'
import type { Decode, Encode } from './compile.js'
import { reader, writer } from './instances.js'
import { ProtocolError } from './protocol-error.js'
import { includes } from '../schema/dsl.js'
import type { InputOf, Message, MessageOf } from '../schema/dsl.js'

/** What encoding takes; where the message is not known at compile time, any object. */
export type BodyOf<M extends Message> = Message extends M ? object : InputOf<M>

const decoders = new WeakMap<Message, (Decode | undefined)[]>()
const encoders = new WeakMap<Message, (Encode | undefined)[]>()

export function decoderOf(message: Message, version: number): Decode {
  let versions = decoders.get(message)
  if (versions === undefined) decoders.set(message, (versions = []))
  return (versions[version] ??= compileDecoder(checked(message, version), version))
}

export function encoderOf(message: Message, version: number): Encode {
  let versions = encoders.get(message)
  if (versions === undefined) encoders.set(message, (versions = []))
  return (versions[version] ??= compileEncoder(checked(message, version), version))
}

function checked(message: Message, version: number): Message {
  if (!includes(message.versions, version)) throw new ProtocolError(`${message.name} has no version ${version}`)
  return message
}

/** Decodes what lies between `offset` and `end`; bytes after the message are not an error, as in Kafka. Byte fields are views. */
export function decode<M extends Message>(message: M, version: number, bytes: Uint8Array, offset = 0, end = bytes.length): MessageOf<M> {
  const run = decoderOf(message, version)
  reader.reset(bytes, offset, end)
  try {
    return run(reader) as MessageOf<M>
  } finally {
    reader.release()
  }
}

/** The bytes of a message in one piece. */
export function encode<M extends Message>(message: M, version: number, body: BodyOf<M>): Uint8Array {
  const pieces = encodePieces(message, version, body)
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
}

/** The bytes of a message with large records as pieces of their own. */
export function encodePieces<M extends Message>(message: M, version: number, body: BodyOf<M>): Uint8Array[] {
  const run = encoderOf(message, version)
  writer.begin()
  run(writer, body)
  return writer.finish()
}

/**
 * What is kept inside records and group metadata opens with an int16 version. A newer version than we know is read as the newest known one:
 * new versions of these only append (or add tagged fields).
 */
export function decodeVersioned<M extends Message>(message: M, bytes: Uint8Array): MessageOf<M> {
  if (bytes.length < 2) throw new ProtocolError(`${message.name}: no version in ${bytes.length} bytes`)
  const version = asBuffer(bytes).readInt16BE(0)
  if (version < message.versions[0]) throw new ProtocolError(`${message.name} has no version ${version}`)
  return decode(message, Math.min(version, message.versions[1]), bytes, 2)
}

export function encodeVersioned<M extends Message>(message: M, version: number, body: BodyOf<M>): Uint8Array {
  const run = encoderOf(message, version)
  writer.begin()
  writer.int16(version)
  run(writer, body)
  return join(writer.finish())
}

function join(pieces: readonly Uint8Array[]): Uint8Array {
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
}
