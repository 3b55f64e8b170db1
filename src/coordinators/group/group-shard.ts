// The group coordinator of one partition of __consumer_offsets, on the worker that owns the partition. It joins the durable
// half (group-store.ts, changed by replay alone) with the live groups (classic-group.ts) and is what handlers call by method
// name through the mailbox. Every answer is data with an error code; while the partition loads it is COORDINATOR_LOAD_IN_PROGRESS,
// after it moved away NOT_COORDINATOR.

import type { MetadataImage } from '../../controller/image.js'
import type { Env } from '../../env/env.js'
import { ProtocolError } from '../../protocol/codec/index.js'
import { ErrorCode, coordinatorErrorForAppend } from '../error-codes.js'
import type { CoordinatorRecord, PartitionWriter, ReplayTarget } from '../runtime/coordinator-record.js'
import { CoordinatorRuntime } from '../runtime/coordinator-runtime.js'
import { KeyedTimers } from '../runtime/keyed-timers.js'
import { uuidOf } from '../runtime/random-uuid.js'
import { ClassicGroup } from './classic-group.js'
import { joinGroup } from './classic-join.js'
import { heartbeat, leaveGroup, syncGroup } from './classic-membership.js'
import { answerJoin, answerSync, joinError, prepareRebalance, restartSession, storeEmptyGroup, syncError } from './classic-rebalance.js'
import type { GroupConfig } from './group-config.js'
import { describeGroup, isListed, listGroup } from './group-descriptions.js'
import type { GroupEffects } from './group-effects.js'
import * as offsets from './group-offsets.js'
import { GroupStore } from './group-store.js'
import type * as messages from './messages.js'
import { groupTombstone, readGroupRecord } from './record-format.js'
import type { GroupRecord } from './record-format.js'

export interface GroupShardOptions {
  /** Of __consumer_offsets. */
  readonly partition: number
  readonly writer: PartitionWriter
  readonly env: Env
  /** Asked on every use: settings change while the node runs. */
  readonly config: () => GroupConfig
  readonly image: () => MetadataImage
}

const EXPIRY_TIMER = 'expiry'

export class GroupCoordinatorShard implements messages.GroupCoordinatorMethods {
  readonly partition: number
  private readonly options: GroupShardOptions
  private readonly store = new GroupStore()
  private readonly groups = new Map<string, ClassicGroup>()
  private readonly timers: KeyedTimers
  private readonly runtime: CoordinatorRuntime
  private readonly effects: GroupEffects
  private loading = true
  private readonly warnedKeyTypes = new Set<number>()
  /** Deleted while the partition was loading. */
  private deletedTopics: string[] = []

  constructor(options: GroupShardOptions) {
    this.options = options
    this.partition = options.partition
    this.timers = new KeyedTimers(options.env.timers)
    const target: ReplayTarget = {
      reset: () => this.reset(),
      replay: (record) => this.replay(record),
      onLoaded: () => this.onLoaded(),
      onUnloaded: (errorCode) => this.onUnloaded(errorCode),
    }
    this.runtime = new CoordinatorRuntime({
      writer: options.writer,
      env: options.env,
      target,
      maxBatchBytes: () => options.config().maxBatchBytes,
    })
    this.effects = {
      now: () => options.env.clock.now(),
      config: options.config,
      newUuid: () => uuidOf(options.env.random.bytes(16)),
      schedule: (key, delayMs, task) => this.timers.set(key, delayMs, task),
      cancel: (key) => this.timers.cancel(key),
      append: (records, done) => this.runtime.append(records, done),
      logger: options.env.logger,
    }
  }

  /** Replays the partition; operations are refused until it is done. */
  load(): Promise<void> {
    return this.runtime.load()
  }

  /** The partition is led elsewhere now. */
  resign(): void {
    this.runtime.resign()
  }

  /** Offsets of topics that no longer exist are tombstoned. */
  onTopicsDeleted(names: readonly string[]): void {
    if (this.runtime.readiness === ErrorCode.coordinatorLoadInProgress) this.deletedTopics.push(...names)
    if (this.runtime.readiness !== ErrorCode.none) return
    const records = offsets.tombstonesOfTopics(this.store, names)
    if (records.length > 0) this.appendOrWarn(records, 'offsets of deleted topics could not be removed')
  }

  async joinGroup(argument: messages.JoinGroupArgument): Promise<messages.JoinGroupResult> {
    const config = this.options.config()
    const refused = this.refuse(argument.groupId)
    if (refused !== ErrorCode.none) return joinError(argument.memberId, refused)
    if (argument.sessionTimeoutMs < config.minSessionTimeoutMs || argument.sessionTimeoutMs > config.maxSessionTimeoutMs) {
      return joinError(argument.memberId, ErrorCode.invalidSessionTimeout)
    }
    const known = this.groups.get(argument.groupId)
    if (known === undefined && argument.memberId !== '') return joinError(argument.memberId, ErrorCode.unknownMemberId)
    const group = known ?? this.createGroup(argument.groupId)
    const answer = new Promise<messages.JoinGroupResult>((resolve) => joinGroup(group, argument, this.effects, resolve))
    // A new group is stored at once, empty, so that it is listed and expires even if nobody ever comes back.
    if (known === undefined) storeEmptyGroup(new ClassicGroup(group.groupId, group.stateTimestamp), this.effects)
    return answer
  }

  async syncGroup(argument: messages.SyncGroupArgument): Promise<messages.SyncGroupResult> {
    const refused = this.refuse(argument.groupId)
    if (refused !== ErrorCode.none) return syncError(refused)
    const group = this.groups.get(argument.groupId)
    if (group === undefined) return syncError(ErrorCode.unknownMemberId)
    return new Promise((resolve) => syncGroup(group, argument, this.effects, resolve))
  }

  async heartbeat(argument: messages.HeartbeatArgument): Promise<messages.HeartbeatResult> {
    const refused = this.refuse(argument.groupId)
    // A member must not lose its place because its coordinator is starting: Kafka answers heartbeats as if all were well.
    if (refused === ErrorCode.coordinatorLoadInProgress) return { errorCode: ErrorCode.none }
    if (refused !== ErrorCode.none) return { errorCode: refused }
    const group = this.groups.get(argument.groupId)
    return { errorCode: group === undefined ? ErrorCode.unknownMemberId : heartbeat(group, argument, this.effects) }
  }

  async leaveGroup(argument: messages.LeaveGroupArgument): Promise<messages.LeaveGroupResult> {
    const refused = this.refuse(argument.groupId)
    if (refused !== ErrorCode.none) return { errorCode: refused, members: [] }
    const group = this.groups.get(argument.groupId)
    if (group !== undefined) return leaveGroup(group, argument, this.effects)
    const members = argument.members.map(({ memberId, groupInstanceId }) => ({
      memberId,
      groupInstanceId,
      errorCode: ErrorCode.unknownMemberId,
    }))
    return { errorCode: ErrorCode.none, members }
  }

  /** The empty group id is allowed here and in fetches, as ever (old simple consumers). */
  async commitOffsets(argument: messages.CommitOffsetsArgument): Promise<messages.CommitOffsetsResult> {
    const outcome = await this.runtime.write<messages.CommitOffsetsResult>(() => {
      const known = this.groups.get(argument.groupId)
      const errorCode = offsets.refuseCommit(known, argument)
      if (errorCode !== ErrorCode.none) return { records: [], response: { errorCode, topics: [] } }
      const member = known?.members.get(argument.memberId)
      // A commit proves life as a heartbeat does. (A new simple group comes to be when its first offset is replayed.)
      if (known !== undefined && member !== undefined && known.state !== 'CompletingRebalance') restartSession(known, member, this.effects)
      return offsets.commitOffsets(argument, this.options.config(), this.effects.now())
    })
    return outcome.response ?? { errorCode: commitError(outcome.errorCode), topics: [] }
  }

  async fetchOffsets(argument: messages.FetchOffsetsArgument): Promise<messages.FetchOffsetsResult> {
    const outcome = this.runtime.read(() => offsets.fetchOffsets(this.store, argument))
    return outcome.response ?? { errorCode: outcome.errorCode, topics: [] }
  }

  async deleteOffsets(argument: messages.DeleteOffsetsArgument): Promise<messages.DeleteOffsetsResult> {
    const refused = this.refuse(argument.groupId)
    if (refused !== ErrorCode.none) return { errorCode: refused, topics: [] }
    const outcome = await this.runtime.write<messages.DeleteOffsetsResult>(() => {
      const group = this.groups.get(argument.groupId)
      const errorCode = offsets.refuseOffsetDeletion(group)
      if (group === undefined || errorCode !== ErrorCode.none) return { records: [], response: { errorCode, topics: [] } }
      return offsets.deleteOffsets(this.store, group, argument)
    })
    return outcome.response ?? { errorCode: coordinatorErrorForAppend(outcome.errorCode), topics: [] }
  }

  async listGroups(argument: messages.ListGroupsArgument): Promise<messages.ListGroupsResult> {
    const outcome = this.runtime.read(() => [...this.groups.values()].filter((group) => isListed(group, argument)).map(listGroup))
    return { errorCode: outcome.errorCode, groups: outcome.response ?? [] }
  }

  async describeGroups(argument: messages.DescribeGroupsArgument): Promise<messages.DescribeGroupsResult> {
    const outcome = this.runtime.read(() => argument.groupIds.map((groupId) => describeGroup(groupId, this.groups.get(groupId))))
    return { errorCode: outcome.errorCode, groups: outcome.response ?? [] }
  }

  async deleteGroups(argument: messages.DeleteGroupsArgument): Promise<messages.DeleteGroupsResult> {
    const refused = this.runtime.readiness
    if (refused !== ErrorCode.none) return { errorCode: refused, results: [] }
    const results = argument.groupIds.map(async (groupId) => ({ groupId, errorCode: await this.deleteGroup(groupId) }))
    return { errorCode: ErrorCode.none, results: await Promise.all(results) }
  }

  private deleteGroup(groupId: string): Promise<number> | number {
    const group = this.groups.get(groupId)
    if (group === undefined || group.state === 'Dead') return ErrorCode.groupIdNotFound
    if (group.state !== 'Empty') return ErrorCode.nonEmptyGroup
    const records = [...offsets.tombstonesOfGroup(this.store, groupId), groupTombstone(groupId)]
    return new Promise((resolve) => this.bury(group, records, (errorCode) => resolve(coordinatorErrorForAppend(errorCode))))
  }

  /** Dead BEFORE the tombstones are written: nobody joins a group whose end is on its way. Back to Empty when they fail. */
  private bury(group: ClassicGroup, records: readonly CoordinatorRecord[], done: (errorCode: number) => void): void {
    group.state = 'Dead'
    this.runtime.append(records, (errorCode) => {
      if (errorCode !== ErrorCode.none) group.state = 'Empty'
      done(errorCode)
    })
  }

  private refuse(groupId: string): number {
    return this.runtime.readiness === ErrorCode.none && groupId === '' ? ErrorCode.invalidGroupId : this.runtime.readiness
  }

  private createGroup(groupId: string): ClassicGroup {
    const group = new ClassicGroup(groupId, this.effects.now())
    this.groups.set(groupId, group)
    return group
  }

  private reset(): void {
    this.loading = true
    this.store.reset()
    this.groups.clear()
  }

  private replay(record: CoordinatorRecord): void {
    const parsed = this.parse(record)
    if (parsed === undefined) return
    this.store.replay(parsed)
    if (!this.loading && parsed.kind !== 'unknown') this.follow(parsed)
  }

  /** Live groups after a committed record. The members of a group changed before its record was written; only its existence follows. */
  private follow(record: Exclude<GroupRecord, { kind: 'unknown' }>): void {
    const { groupId } = record
    if (record.kind === 'offset') {
      if (record.value !== null && !this.groups.has(groupId)) this.createGroup(groupId)
      else if (record.value === null) this.forgetIfUnstored(groupId)
    } else if (record.value === null) {
      this.groups.delete(groupId)
      // A commit that was in flight when the group was deleted outlives it.
      if (this.store.offsets.has(groupId)) this.createGroup(groupId)
    }
  }

  /** A group that only commits is its offsets: without them, nothing in the log tells of it. */
  private forgetIfUnstored(groupId: string): void {
    const group = this.groups.get(groupId)
    if (group?.state !== 'Empty' || group.pendingJoinMembers.size > 0) return
    if (!this.store.groups.has(groupId) && !this.store.offsets.has(groupId)) this.groups.delete(groupId)
  }

  private parse(record: CoordinatorRecord): GroupRecord | undefined {
    const { logger } = this.options.env
    try {
      const parsed = readGroupRecord(record)
      if (parsed.kind === 'unknown' && !this.warnedKeyTypes.has(parsed.keyType)) {
        this.warnedKeyTypes.add(parsed.keyType)
        logger.warn({ partition: this.partition, keyType: parsed.keyType }, 'records of an unknown kind in __consumer_offsets are skipped')
      }
      return parsed
    } catch (cause) {
      if (!(cause instanceof ProtocolError)) throw cause
      logger.error({ partition: this.partition, err: cause }, 'an unreadable record in __consumer_offsets is skipped')
      return undefined
    }
  }

  private onLoaded(): void {
    this.loading = false
    const now = this.effects.now()
    for (const [groupId, stored] of this.store.groups) this.groups.set(groupId, ClassicGroup.fromStored(groupId, stored, now))
    for (const groupId of this.store.offsets.keys()) if (!this.groups.has(groupId)) this.createGroup(groupId)
    for (const group of this.groups.values()) this.revive(group)
    this.scheduleExpiry()
    this.onTopicsDeleted(this.deletedTopics.splice(0))
  }

  /** Members of a loaded group have one session timeout to be heard of. */
  private revive(group: ClassicGroup): void {
    for (const member of group.members.values()) restartSession(group, member, this.effects)
    if (group.members.size > this.options.config().maxSize) prepareRebalance(group, this.effects)
  }

  private onUnloaded(errorCode: number): void {
    this.timers.cancelAll()
    this.deletedTopics = []
    for (const group of this.groups.values()) {
      for (const member of group.members.values()) {
        answerJoin(member, joinError(member.memberId, errorCode))
        answerSync(member, syncError(errorCode))
      }
    }
  }

  private scheduleExpiry(): void {
    this.timers.set(EXPIRY_TIMER, this.options.config().offsetsRetentionCheckIntervalMs, () => {
      this.expire()
      this.scheduleExpiry()
    })
  }

  private expire(): void {
    const { offsetsRetentionMs } = this.options.config()
    for (const group of this.groups.values()) {
      if (group.state === 'Dead') continue
      const { records, emptied } = offsets.expiredOffsets(this.store, group, offsetsRetentionMs, this.effects.now())
      if (emptied && group.state === 'Empty' && group.pendingJoinMembers.size === 0) {
        this.bury(group, [...records, groupTombstone(group.groupId)], (errorCode) =>
          this.warnOn(errorCode, 'a group without offsets could not be removed'),
        )
      } else if (records.length > 0) {
        this.appendOrWarn(records, 'expired offsets could not be removed')
      }
    }
  }

  private appendOrWarn(records: readonly CoordinatorRecord[], text: string): void {
    this.runtime.append(records, (errorCode) => this.warnOn(errorCode, text))
  }

  private warnOn(errorCode: number, text: string): void {
    if (errorCode !== ErrorCode.none) this.options.env.logger.warn({ partition: this.partition, errorCode }, text)
  }
}

/** A commit that is too large for the log has an error of its own. */
function commitError(appendError: number): number {
  const tooLarge = appendError === ErrorCode.messageTooLarge || appendError === ErrorCode.recordListTooLarge
  return tooLarge ? ErrorCode.invalidCommitOffsetSize : coordinatorErrorForAppend(appendError)
}
