// The records of __consumer_offsets, byte for byte Kafka's, so that Kafka's tools read them. The tables are protocol/schema/group-records.ts;
// here stands which versions are written and what they mean to the coordinator. Pure.
//
//   key 0, 1  OffsetCommitKey    group, topic, partition     value: OffsetCommitValue  v0-v4 read, v4 written (v1 with an expiry)
//   key 2     GroupMetadataKey   group                       value: GroupMetadataValue v0-v4 read, v3 written
// Other key types belong to newer kinds of groups and are reported as unknown. A value may be of a newer version: newer ones only append.

import type { Uuid } from '../../model/topic-partition.js'
import { decode, decodeVersioned, encode, encodeVersioned } from '../../protocol/codec/index.js'
import {
  groupMetadataKey,
  groupMetadataValue,
  groupRecordTypes,
  offsetCommitKey,
  offsetCommitValue,
} from '../../protocol/schema/group-records.js'
import type { CoordinatorRecord } from '../runtime/coordinator-record.js'

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
  | {
      readonly kind: 'offset'
      readonly groupId: string
      readonly topic: string
      readonly partition: number
      readonly value: OffsetAndMetadata | null
    }
  | { readonly kind: 'group'; readonly groupId: string; readonly value: StoredGroup | null }
  | { readonly kind: 'unknown'; readonly keyType: number }

const OFFSET_VERSION = 4
/** The one version that can carry an expiry of its own. */
const EXPIRING_OFFSET_VERSION = 1
const GROUP_VERSION = 3

function withType(type: number, key: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(type >> 8, type & 0xff), key])
}

function offsetKey(group: string, topic: string, partition: number): Uint8Array {
  return withType(groupRecordTypes.offsetCommit, encode(offsetCommitKey, 0, { group, topic, partition }))
}

function groupKey(group: string): Uint8Array {
  return withType(groupRecordTypes.groupMetadata, encode(groupMetadataKey, 0, { group }))
}

export function offsetRecord(groupId: string, topic: string, partition: number, value: OffsetAndMetadata): CoordinatorRecord {
  const version = value.expireTimestamp === null ? OFFSET_VERSION : EXPIRING_OFFSET_VERSION
  const body = { ...value, expireTimestamp: value.expireTimestamp ?? -1 }
  return { key: offsetKey(groupId, topic, partition), value: encodeVersioned(offsetCommitValue, version, body) }
}

export function offsetTombstone(groupId: string, topic: string, partition: number): CoordinatorRecord {
  return { key: offsetKey(groupId, topic, partition), value: null }
}

export function groupRecord(groupId: string, value: StoredGroup): CoordinatorRecord {
  const body = {
    protocolType: value.protocolType,
    generation: value.generationId,
    protocol: value.protocolName,
    leader: value.leader,
    currentStateTimestamp: value.currentStateTimestamp,
    members: value.members.map((member) => ({
      ...member,
      rebalanceTimeout: member.rebalanceTimeoutMs,
      sessionTimeout: member.sessionTimeoutMs,
    })),
  }
  return { key: groupKey(groupId), value: encodeVersioned(groupMetadataValue, GROUP_VERSION, body) }
}

export function groupTombstone(groupId: string): CoordinatorRecord {
  return { key: groupKey(groupId), value: null }
}

/** Throws a ProtocolError on bytes that are not what their type and version say. */
export function readGroupRecord(record: CoordinatorRecord): GroupRecord {
  const keyType = record.key.length < 2 ? -1 : (record.key[0]! << 8) | record.key[1]!
  if (keyType === groupRecordTypes.offsetCommit || keyType === groupRecordTypes.legacyOffsetCommit) {
    const { group, topic, partition } = decode(offsetCommitKey, 0, record.key, 2)
    return { kind: 'offset', groupId: group, topic, partition, value: record.value === null ? null : readOffset(record.value) }
  }
  if (keyType === groupRecordTypes.groupMetadata) {
    const { group } = decode(groupMetadataKey, 0, record.key, 2)
    return { kind: 'group', groupId: group, value: record.value === null ? null : readGroup(record.value) }
  }
  return { kind: 'unknown', keyType }
}

function readOffset(bytes: Uint8Array): OffsetAndMetadata {
  const { offset, leaderEpoch, metadata, commitTimestamp, expireTimestamp, topicId } = decodeVersioned(offsetCommitValue, bytes)
  return { offset, leaderEpoch, metadata, commitTimestamp, expireTimestamp: expireTimestamp === -1 ? null : expireTimestamp, topicId }
}

function readGroup(bytes: Uint8Array): StoredGroup {
  const value = decodeVersioned(groupMetadataValue, bytes)
  return {
    protocolType: value.protocolType,
    generationId: value.generation,
    protocolName: value.protocol,
    leader: value.leader,
    currentStateTimestamp: value.currentStateTimestamp,
    members: value.members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      // Before version 1 the session timeout stood for both.
      rebalanceTimeoutMs: member.rebalanceTimeout === -1 ? member.sessionTimeout : member.rebalanceTimeout,
      sessionTimeoutMs: member.sessionTimeout,
      // Copies: a group lives longer than the batch it was read from.
      subscription: new Uint8Array(member.subscription),
      assignment: new Uint8Array(member.assignment),
    })),
  }
}
