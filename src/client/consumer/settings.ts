// The consumer's settings, checked, with their defaults. Pure.

import type { TopicPartition } from '../../model/topic-partition.js'
import { checkNames, choiceSetting, type ClientSettings, integerSetting } from '../cluster/settings.js'
import { ClientError } from '../errors.js'
import { type Assignor } from './assignors/assignor.js'
import { cooperativeStickyAssignor } from './assignors/cooperative-sticky.js'
import { rangeAssignor } from './assignors/range.js'
import { roundRobinAssignor } from './assignors/round-robin.js'
import type { StallReport } from './stall.js'

export type AssignorName = 'range' | 'roundrobin' | 'cooperative-sticky'

const ASSIGNORS: Readonly<Record<AssignorName, Assignor>> = {
  range: rangeAssignor,
  roundrobin: roundRobinAssignor,
  'cooperative-sticky': cooperativeStickyAssignor,
}

/** Told about changes of the assignment. They are awaited: the group waits for them. */
export interface RebalanceListener {
  /** Partitions that are new. */
  onPartitionsAssigned?(partitions: readonly TopicPartition[]): void | Promise<void>
  /** Partitions about to be given up; offsets can still be committed. */
  onPartitionsRevoked?(partitions: readonly TopicPartition[]): void | Promise<void>
  /** Partitions that others may already have; commits would fail. Default: as revoked. */
  onPartitionsLost?(partitions: readonly TopicPartition[]): void | Promise<void>
}

export interface ConsumerSettings extends ClientSettings, RebalanceListener {
  /** The consumer group; needed for `subscribe` and commits. */
  readonly groupId?: string
  /** A name that stays over restarts: within `sessionTimeoutMs` a restart then moves no partition. */
  readonly groupInstanceId?: string
  /** Where to start without a committed offset, or when it is gone. Default `latest`. */
  readonly autoOffsetReset?: 'earliest' | 'latest' | 'none'
  /** Commits positions by itself. Default true with a `groupId`. */
  readonly enableAutoCommit?: boolean
  /** Default 5000. */
  readonly autoCommitIntervalMs?: number
  /** Records per `poll` at most. Default 500. */
  readonly maxPollRecords?: number
  /** Milliseconds between polls after which the member leaves its group. Default 300000. */
  readonly maxPollIntervalMs?: number
  /** Milliseconds without a heartbeat after which the coordinator removes the member. Default 45000. */
  readonly sessionTimeoutMs?: number
  /** Default 3000. */
  readonly heartbeatIntervalMs?: number
  /** Bytes a broker waits for before it answers a fetch. Default 1. */
  readonly fetchMinBytes?: number
  /** Bytes per fetch answer, about. Default 52428800. */
  readonly fetchMaxBytes?: number
  /** Milliseconds a broker waits for `fetchMinBytes`. Default 500. */
  readonly fetchMaxWaitMs?: number
  /** Bytes per partition and fetch answer, about. Default 1048576. */
  readonly maxPartitionFetchBytes?: number
  /** `read_committed` leaves out what transactions aborted or have not committed yet. Default `read_uncommitted`. */
  readonly isolationLevel?: 'read_uncommitted' | 'read_committed'
  /** Checks each batch's CRC32C. Default true. */
  readonly checkCrcs?: boolean
  /** Assignors in order of preference. Default `['range', 'cooperative-sticky']`, as Kafka's. */
  readonly partitionAssignmentStrategy?: readonly AssignorName[]
  /** Asking about a missing topic may create it. Default true. */
  readonly allowAutoCreateTopics?: boolean
  /** A pattern does not match Kafka's internal topics. Default true. */
  readonly excludeInternalTopics?: boolean
  /** Milliseconds without a record after which `onStall` says why; 0: never. Default 30000. */
  readonly stallWarningMs?: number
  /** Default: one line to the logger, unless everything is simply at its end. */
  readonly onStall?: (report: StallReport) => void
}

const OWN_NAMES = [
  'groupId',
  'groupInstanceId',
  'autoOffsetReset',
  'enableAutoCommit',
  'autoCommitIntervalMs',
  'maxPollRecords',
  'maxPollIntervalMs',
  'sessionTimeoutMs',
  'heartbeatIntervalMs',
  'fetchMinBytes',
  'fetchMaxBytes',
  'fetchMaxWaitMs',
  'maxPartitionFetchBytes',
  'isolationLevel',
  'checkCrcs',
  'partitionAssignmentStrategy',
  'allowAutoCreateTopics',
  'excludeInternalTopics',
  'stallWarningMs',
  'onStall',
  'onPartitionsAssigned',
  'onPartitionsRevoked',
  'onPartitionsLost',
] as const

export interface ConsumerOptions {
  readonly groupId: string | undefined
  readonly groupInstanceId: string | null
  readonly autoOffsetReset: 'earliest' | 'latest' | 'none'
  readonly autoCommit: boolean
  readonly autoCommitIntervalMs: number
  readonly maxPollRecords: number
  readonly maxPollIntervalMs: number
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  readonly fetchMinBytes: number
  readonly fetchMaxBytes: number
  readonly fetchMaxWaitMs: number
  readonly maxPartitionFetchBytes: number
  /** 0 read_uncommitted, 1 read_committed, as on the wire. */
  readonly isolationLevel: 0 | 1
  readonly checkCrcs: boolean
  readonly assignors: readonly Assignor[]
  readonly allowAutoCreateTopics: boolean
  readonly excludeInternalTopics: boolean
  readonly clientRack: string
  readonly stallWarningMs: number
  readonly onStall: ((report: StallReport) => void) | undefined
  readonly listener: RebalanceListener
}

const INT_MAX = 0x7fffffff

export function consumerOptions(settings: ConsumerSettings): ConsumerOptions {
  checkNames(settings, OWN_NAMES)
  const whole = (
    name:
      | 'autoCommitIntervalMs'
      | 'maxPollRecords'
      | 'maxPollIntervalMs'
      | 'sessionTimeoutMs'
      | 'heartbeatIntervalMs'
      | 'fetchMinBytes'
      | 'fetchMaxBytes'
      | 'fetchMaxWaitMs'
      | 'maxPartitionFetchBytes'
      | 'stallWarningMs',
    fallback: number,
    min: number,
  ): number => integerSetting(name, settings[name], fallback, min, INT_MAX)
  const sessionTimeoutMs = whole('sessionTimeoutMs', 45_000, 1)
  const heartbeatIntervalMs = whole('heartbeatIntervalMs', Math.min(3000, Math.max(1, Math.floor(sessionTimeoutMs / 3))), 1)
  if (heartbeatIntervalMs >= sessionTimeoutMs) {
    throw new ClientError(
      'ERR_MILLRACE_SETTING',
      `heartbeatIntervalMs is ${heartbeatIntervalMs}; it must be below sessionTimeoutMs (${sessionTimeoutMs})`,
    )
  }
  if (settings.groupInstanceId !== undefined && settings.groupId === undefined) {
    throw new ClientError('ERR_MILLRACE_SETTING', 'groupInstanceId needs a groupId')
  }
  const strategy = settings.partitionAssignmentStrategy ?? ['range', 'cooperative-sticky']
  if (strategy.length === 0) throw new ClientError('ERR_MILLRACE_SETTING', 'partitionAssignmentStrategy names no assignor')
  return {
    groupId: settings.groupId,
    groupInstanceId: settings.groupInstanceId ?? null,
    autoOffsetReset: choiceSetting('autoOffsetReset', settings.autoOffsetReset, 'latest', ['earliest', 'latest', 'none']),
    autoCommit: settings.enableAutoCommit ?? settings.groupId !== undefined,
    autoCommitIntervalMs: whole('autoCommitIntervalMs', 5000, 0),
    maxPollRecords: whole('maxPollRecords', 500, 1),
    maxPollIntervalMs: whole('maxPollIntervalMs', 300_000, 1),
    sessionTimeoutMs,
    heartbeatIntervalMs,
    fetchMinBytes: whole('fetchMinBytes', 1, 0),
    fetchMaxBytes: whole('fetchMaxBytes', 52_428_800, 0),
    fetchMaxWaitMs: whole('fetchMaxWaitMs', 500, 0),
    maxPartitionFetchBytes: whole('maxPartitionFetchBytes', 1_048_576, 0),
    isolationLevel:
      choiceSetting('isolationLevel', settings.isolationLevel, 'read_uncommitted', ['read_uncommitted', 'read_committed']) ===
      'read_committed'
        ? 1
        : 0,
    checkCrcs: settings.checkCrcs ?? true,
    assignors: strategy.map(
      (name) => ASSIGNORS[choiceSetting('partitionAssignmentStrategy', name, 'range', ['range', 'roundrobin', 'cooperative-sticky'])],
    ),
    allowAutoCreateTopics: settings.allowAutoCreateTopics ?? true,
    excludeInternalTopics: settings.excludeInternalTopics ?? true,
    clientRack: settings.clientRack ?? '',
    stallWarningMs: whole('stallWarningMs', 30_000, 0),
    onStall: settings.onStall,
    listener: settings,
  }
}
