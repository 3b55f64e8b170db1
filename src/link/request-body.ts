// The body of a request: its parts, back to back. Built on the thread that calls, routed on the peer's link thread, read by the owners.
//
// part             bytes
//   topic id       16    zeroes: the thread coordinator
//   partition      4     int32, little-endian as all of a link
//   length         4
//   body           …

import { asBuffer } from '../model/bytes.js'
import { type Uuid, ZERO_UUID } from '../model/topic-partition.js'
import type { LinkPart } from './door.js'
import { view } from './frames.js'

export const PART_HEADER = 24
const ID_CACHE_SIZE = 20_000
/** Text of an id ↔ its bytes as a latin1 string, which is a cheap key. */
const keys = new Map<Uuid, string>()
const texts = new Map<string, Uuid>()
export const ZERO_KEY = '\0'.repeat(16)

/** The sixteen bytes of a topic id as a latin1 string. */
export function topicKey(topicId: Uuid): string {
  let key = keys.get(topicId)
  if (key === undefined) {
    key = Buffer.from(topicId, 'base64url').toString('latin1')
    if (topicId.length !== 22 || key.length !== 16) throw new RangeError(`not a topic id of 22 base64url characters: ${topicId}`)
    if (keys.size >= ID_CACHE_SIZE) keys.clear()
    keys.set(topicId, key)
  }
  return key
}

function topicText(key: string): Uuid {
  let text = texts.get(key)
  if (text === undefined) {
    text = Buffer.from(key, 'latin1').toString('base64url')
    if (texts.size >= ID_CACHE_SIZE) texts.clear()
    texts.set(key, text)
  }
  return text
}

export function partsLength(parts: readonly LinkPart[]): number {
  let length = parts.length * PART_HEADER
  for (const part of parts) length += part.body.length
  return length
}

export function writeParts(parts: readonly LinkPart[], target: Uint8Array, start: number): void {
  const buffer = asBuffer(target)
  let at = start
  for (const { topicId, partition, body } of parts) {
    buffer.write(topicKey(topicId ?? ZERO_UUID), at, 'latin1')
    buffer.writeInt32LE(partition, at + 16)
    buffer.writeUInt32LE(body.length, at + 20)
    target.set(body, at + PART_HEADER)
    at += PART_HEADER + body.length
  }
}

/** Views into `bytes`. Only for what `routeParts` has checked. */
export function decodeParts(bytes: Uint8Array): LinkPart[] {
  const parts: LinkPart[] = []
  const buffer = asBuffer(bytes)
  for (let at = 0; at < bytes.length;) {
    const key = buffer.toString('latin1', at, at + 16)
    const end = at + PART_HEADER + buffer.readUInt32LE(at + 20)
    const topicId = key === ZERO_KEY ? null : topicText(key)
    parts.push({ topicId, partition: buffer.readInt32LE(at + 16), body: bytes.subarray(at + PART_HEADER, end) })
    at = end
  }
  return parts
}

export interface RoutedGroup {
  readonly indexes: number[]
  /** Start and end of each part in the body, in pairs. */
  readonly ranges: number[]
  bytes: number
}

/** Groups the parts by what `ownerOf` says of each; null when the body is not `count` whole parts. */
export function routeParts(
  bytes: Uint8Array,
  count: number,
  ownerOf: (topicKey: string, partition: number) => number,
): Map<number, RoutedGroup> | null {
  const groups = new Map<number, RoutedGroup>()
  const data = view(bytes)
  const buffer = asBuffer(bytes)
  let at = 0
  for (let index = 0; index < count; index++) {
    if (at + PART_HEADER > bytes.length) return null
    const end = at + PART_HEADER + data.getUint32(at + 20, true)
    if (end > bytes.length) return null
    const owner = ownerOf(buffer.toString('latin1', at, at + 16), data.getInt32(at + 16, true))
    let group = groups.get(owner)
    if (!group) groups.set(owner, (group = { indexes: [], ranges: [], bytes: 0 }))
    group.indexes.push(index)
    group.ranges.push(at, end)
    group.bytes += end - at
    at = end
  }
  return at === bytes.length ? groups : null
}

/** Copies the parts of one group, `group.bytes` of them, to where it is told. */
export function gather(bytes: Uint8Array, group: RoutedGroup, target: Uint8Array, start: number): void {
  let at = start
  for (let i = 0; i < group.ranges.length; i += 2) {
    const part = bytes.subarray(group.ranges[i], group.ranges[i + 1])
    target.set(part, at)
    at += part.length
  }
}
