// The records of __consumer_offsets, byte for byte Kafka's, so that Kafka's tools read them. Pure.
//
//   key 0, 1  OffsetCommitKey    group, topic, partition     value: OffsetCommitValue  v0-v4 read, v4 written (v1 with an expiry)
//   key 2     GroupMetadataKey   group                       value: GroupMetadataValue v0-v4 read, v3 written
// Other key versions belong to newer kinds of groups and are reported as unknown.

import { ZERO_UUID } from '../../model/topic-partition.js'
import type { Uuid } from '../../model/topic-partition.js'
import type { CoordinatorRecord } from '../runtime/coordinator-record.js'
import { RecordReader, RecordWriter } from './record-bytes.js'

export interface OffsetAndMetadata {
  readonly offset: number
  /** -1: none. */
  readonly leaderEpoch: number
  readonly metadata: string
  readonly commitTimestamp: number
  /** Null: the node's retention applies. */
  readonly expireTimestamp: number | null
  readonly topicId: Uuid
}

export interface StoredMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly rebalanceTimeoutMs: number
  readonly sessionTimeoutMs: number
  readonly subscription: Uint8Array
  readonly assignment: Uint8Array
}

export interface StoredGroup {
  /** '' for a group that only commits offsets. */
  readonly protocolType: string
  readonly generationId: number
  readonly protocolName: string | null
  readonly leader: string | null
  /** -1: unknown. */
  readonly currentStateTimestamp: number
  readonly members: readonly StoredMember[]
}

export type GroupRecord =
  | { readonly kind: 'offset'; readonly groupId: string; readonly topic: string; readonly partition: number; readonly value: OffsetAndMetadata | null }
  | { readonly kind: 'group'; readonly groupId: string; readonly value: StoredGroup | null }
  | { readonly kind: 'unknown'; readonly keyVersion: number }

const OFFSET_KEY = 1
const GROUP_KEY = 2

function offsetKey(groupId: string, topic: string, partition: number): Uint8Array {
  return new RecordWriter().int16(OFFSET_KEY).string(groupId).string(topic).int32(partition).finish()
}

export function offsetRecord(groupId: string, topic: string, partition: number, value: OffsetAndMetadata): CoordinatorRecord {
  const key = offsetKey(groupId, topic, partition)
  const writer = new RecordWriter()
  if (value.expireTimestamp !== null) {
    writer.int16(1).int64(value.offset).string(value.metadata).int64(value.commitTimestamp).int64(value.expireTimestamp)
    return { key, value: writer.finish() }
  }
  writer.int16(4).int64(value.offset).int32(value.leaderEpoch).compactString(value.metadata).int64(value.commitTimestamp)
  if (value.topicId === ZERO_UUID) writer.uvarint(0)
  else writer.uvarint(1).uvarint(0).uvarint(16).raw(Buffer.from(value.topicId, 'base64url'))
  return { key, value: writer.finish() }
}

export function offsetTombstone(groupId: string, topic: string, partition: number): CoordinatorRecord {
  return { key: offsetKey(groupId, topic, partition), value: null }
}

export function groupRecord(groupId: string, value: StoredGroup): CoordinatorRecord {
  const writer = new RecordWriter()
    .int16(3)
    .string(value.protocolType)
    .int32(value.generationId)
    .nullableString(value.protocolName)
    .nullableString(value.leader)
    .int64(value.currentStateTimestamp)
    .int32(value.members.length)
  for (const member of value.members) {
    writer
      .string(member.memberId)
      .nullableString(member.groupInstanceId)
      .string(member.clientId)
      .string(member.clientHost)
      .int32(member.rebalanceTimeoutMs)
      .int32(member.sessionTimeoutMs)
      .bytes32(member.subscription)
      .bytes32(member.assignment)
  }
  return { key: new RecordWriter().int16(GROUP_KEY).string(groupId).finish(), value: writer.finish() }
}

export function groupTombstone(groupId: string): CoordinatorRecord {
  return { key: new RecordWriter().int16(GROUP_KEY).string(groupId).finish(), value: null }
}

/** Throws on bytes that are not what their version says. */
export function readGroupRecord(record: CoordinatorRecord): GroupRecord {
  const key = new RecordReader(record.key)
  const keyVersion = key.int16()
  if (keyVersion === 0 || keyVersion === OFFSET_KEY) {
    const [groupId, topic, partition] = [key.string(), key.string(), key.int32()]
    return { kind: 'offset', groupId, topic, partition, value: record.value === null ? null : readOffsetValue(record.value) }
  }
  if (keyVersion === GROUP_KEY) {
    return { kind: 'group', groupId: key.string(), value: record.value === null ? null : readGroupValue(record.value) }
  }
  return { kind: 'unknown', keyVersion }
}

function readOffsetValue(bytes: Uint8Array): OffsetAndMetadata {
  const reader = new RecordReader(bytes)
  const version = knownVersion('OffsetCommitValue', reader.int16())
  const offset = reader.int64()
  const leaderEpoch = version >= 3 ? reader.int32() : -1
  const metadata = (version >= 4 ? reader.compactNullableString() : reader.nullableString()) ?? ''
  const commitTimestamp = reader.int64()
  const expire = version === 1 ? reader.int64() : -1
  let topicId: Uuid = ZERO_UUID
  if (version >= 4) {
    reader.taggedFields((tag, field) => {
      if (tag === 0) topicId = Buffer.from(field.raw(16)).toString('base64url')
    })
  }
  return { offset, leaderEpoch, metadata, commitTimestamp, expireTimestamp: expire === -1 ? null : expire, topicId }
}

function readGroupValue(bytes: Uint8Array): StoredGroup {
  const reader = new RecordReader(bytes)
  const version = knownVersion('GroupMetadataValue', reader.int16())
  const flexible = version >= 4
  const text = (): string | null => (flexible ? reader.compactNullableString() : reader.nullableString())
  const protocolType = text() ?? ''
  const generationId = reader.int32()
  const protocolName = text()
  const leader = text()
  const currentStateTimestamp = version >= 2 ? reader.int64() : -1
  const count = flexible ? reader.uvarint() - 1 : reader.int32()
  const members: StoredMember[] = []
  for (let index = 0; index < count; index++) members.push(readMember(reader, version))
  return { protocolType, generationId, protocolName, leader, currentStateTimestamp, members }
}

function readMember(reader: RecordReader, version: number): StoredMember {
  const flexible = version >= 4
  const text = (): string | null => (flexible ? reader.compactNullableString() : reader.nullableString())
  const bytes = (): Uint8Array => (flexible ? reader.compactBytes() : reader.bytes32())
  const memberId = text() ?? ''
  const groupInstanceId = version >= 3 ? text() : null
  const clientId = text() ?? ''
  const clientHost = text() ?? ''
  const rebalance = version >= 1 ? reader.int32() : -1
  const sessionTimeoutMs = reader.int32()
  const subscription = bytes()
  const assignment = bytes()
  if (flexible) reader.taggedFields(() => {})
  // Before version 1 the session timeout stood for both.
  const rebalanceTimeoutMs = rebalance === -1 ? sessionTimeoutMs : rebalance
  return { memberId, groupInstanceId, clientId, clientHost, rebalanceTimeoutMs, sessionTimeoutMs, subscription, assignment }
}

function knownVersion(name: string, version: number): number {
  if (version < 0 || version > 4) throw new RangeError(`${name} version ${version} is not known here (0 to 4 are)`)
  return version
}
