// When a classic group rebalances and how a rebalance ends. Functions of (group, effects): all time, timers and storage
// come through `GroupEffects`. Runs on the worker that owns the shard.

import { ErrorCode } from '../error-codes.js'
import type { ClassicGroup, GroupMember } from './classic-group.js'
import { timerKey } from './group-effects.js'
import type { GroupEffects } from './group-effects.js'
import type { JoinGroupResult, SyncGroupResult } from './messages.js'
import { groupRecord } from './record-format.js'

/** A new member is kept this long without a generation (Kafka's fixed five minutes): first joins may be slow, dead ones must go. */
export const NEW_MEMBER_JOIN_TIMEOUT_MS = 5 * 60_000

const NO_BYTES = new Uint8Array(0)

export function joinError(memberId: string, errorCode: number): JoinGroupResult {
  return { errorCode, generationId: -1, protocolType: null, protocolName: null, leader: '', skipAssignment: false, memberId, members: [] }
}

export function syncError(errorCode: number): SyncGroupResult {
  return { errorCode, protocolType: null, protocolName: null, assignment: NO_BYTES }
}

export function answerJoin(member: GroupMember, result: JoinGroupResult): void {
  const answer = member.awaitingJoin
  member.awaitingJoin = null
  answer?.(result)
}

export function answerSync(member: GroupMember, result: SyncGroupResult): void {
  const answer = member.awaitingSync
  member.awaitingSync = null
  answer?.(result)
}

/** What a member of the current generation is told by JoinGroup. */
export function currentGeneration(group: ClassicGroup, memberId: string, withMembers: boolean, skipAssignment = false): JoinGroupResult {
  return {
    errorCode: ErrorCode.none,
    generationId: group.generationId,
    protocolType: group.protocolType,
    protocolName: group.protocolName,
    leader: group.leaderId ?? '',
    skipAssignment,
    memberId,
    members: withMembers ? group.joinedMembers() : [],
  }
}

export function restartSession(group: ClassicGroup, member: GroupMember, effects: GroupEffects, timeoutMs = member.sessionTimeoutMs): void {
  const { memberId } = member
  effects.schedule(timerKey.session(group.groupId, memberId), timeoutMs, () => expireSession(group, memberId, effects))
}

function expireSession(group: ClassicGroup, memberId: string, effects: GroupEffects): void {
  if (group.state === 'Dead') return
  if (group.pendingJoinMembers.has(memberId)) {
    group.pendingJoinMembers.delete(memberId)
    if (group.state === 'PreparingRebalance') completeJoinIfReady(group, effects)
    return
  }
  const member = group.members.get(memberId)
  if (member === undefined) return
  // Whoever waits for our answer is alive; a new member is not believed for ever.
  if (!member.isNew && (member.awaitingJoin !== null || member.awaitingSync !== null)) return
  effects.logger.info({ group: group.groupId, member: memberId }, 'a group member was silent for longer than its session timeout')
  removeMember(group, member, effects)
  rebalanceAfterRemoval(group, effects)
}

/** Answers what the member waits for and takes it out of the group. */
export function removeMember(group: ClassicGroup, member: GroupMember, effects: GroupEffects): void {
  effects.cancel(timerKey.session(group.groupId, member.memberId))
  group.remove(member.memberId)
  answerJoin(member, joinError('', ErrorCode.unknownMemberId))
  answerSync(member, syncError(ErrorCode.unknownMemberId))
}

export function rebalanceAfterRemoval(group: ClassicGroup, effects: GroupEffects): void {
  if (group.state === 'Stable' || group.state === 'CompletingRebalance') prepareRebalance(group, effects)
  else if (group.state === 'PreparingRebalance') completeJoinIfReady(group, effects)
}

export function rebalanceOrCompleteJoin(group: ClassicGroup, effects: GroupEffects): void {
  if (group.canRebalance) prepareRebalance(group, effects)
  else completeJoinIfReady(group, effects)
}

export function prepareRebalance(group: ClassicGroup, effects: GroupEffects): void {
  if (group.state === 'CompletingRebalance') failSyncs(group, effects, ErrorCode.rebalanceInProgress)
  effects.cancel(timerKey.sync(group.groupId))
  const isFirst = group.state === 'Empty'
  group.transition('PreparingRebalance', effects.now())
  if (isFirst) {
    // Members of a starting application come one by one: wait a little for the next before the first generation.
    const delay = effects.config().initialRebalanceDelayMs
    group.newMemberAdded = false
    scheduleFirstJoin(group, effects, delay, Math.max(group.rebalanceTimeoutMs - delay, 0))
  } else if (group.allMembersJoined) {
    completeJoin(group, effects)
  } else {
    effects.schedule(timerKey.join(group.groupId), group.rebalanceTimeoutMs, () => completeJoin(group, effects))
  }
}

function scheduleFirstJoin(group: ClassicGroup, effects: GroupEffects, delayMs: number, remainingMs: number): void {
  effects.schedule(timerKey.join(group.groupId), delayMs, () => {
    if (!group.newMemberAdded || remainingMs === 0) {
      completeJoin(group, effects)
      return
    }
    group.newMemberAdded = false
    const delay = Math.min(effects.config().initialRebalanceDelayMs, remainingMs)
    scheduleFirstJoin(group, effects, delay, Math.max(remainingMs - delay, 0))
  })
}

/** The first generation of a group waits for its timer; every later one starts as soon as all are back. */
export function completeJoinIfReady(group: ClassicGroup, effects: GroupEffects): void {
  if (group.state === 'PreparingRebalance' && group.allMembersJoined && group.previousState !== 'Empty') completeJoin(group, effects)
}

function completeJoin(group: ClassicGroup, effects: GroupEffects): void {
  effects.cancel(timerKey.join(group.groupId))
  if (group.state !== 'PreparingRebalance') return
  for (const member of group.members.values()) {
    // A static member keeps its place until its session ends.
    if (member.awaitingJoin !== null || member.groupInstanceId !== null) continue
    effects.cancel(timerKey.session(group.groupId, member.memberId))
    group.remove(member.memberId)
  }
  if (!group.electJoinedLeader() && group.members.size > 0) {
    // Only static members are left and none is back: without a leader nothing can go on.
    effects.schedule(timerKey.join(group.groupId), group.rebalanceTimeoutMs, () => completeJoin(group, effects))
    return
  }
  group.startNextGeneration(effects.now())
  if (group.members.size === 0) storeEmptyGroup(group, effects)
  else startGeneration(group, effects)
}

function startGeneration(group: ClassicGroup, effects: GroupEffects): void {
  for (const member of group.members.values()) {
    // The session starts before the answer leaves, so that a lost answer still ends in an expiry.
    restartSession(group, member, effects)
    member.isNew = false
    group.pendingSyncMembers.add(member.memberId)
    answerJoin(member, currentGeneration(group, member.memberId, group.isLeader(member.memberId)))
  }
  const generationId = group.generationId
  effects.schedule(timerKey.sync(group.groupId), group.rebalanceTimeoutMs, () => expirePendingSyncs(group, generationId, effects))
}

function expirePendingSyncs(group: ClassicGroup, generationId: number, effects: GroupEffects): void {
  if (group.generationId !== generationId || (group.state !== 'CompletingRebalance' && group.state !== 'Stable')) return
  if (group.pendingSyncMembers.size === 0) return
  for (const memberId of group.pendingSyncMembers) {
    const member = group.members.get(memberId)
    if (member !== undefined) removeMember(group, member, effects)
  }
  prepareRebalance(group, effects)
}

/** An empty generation is stored so that offsets know since when nobody reads; a failure only makes the group older than it is. */
export function storeEmptyGroup(group: ClassicGroup, effects: GroupEffects): void {
  effects.append([groupRecord(group.groupId, group.toStored(new Map()))], (errorCode) => {
    if (errorCode !== ErrorCode.none) effects.logger.warn({ group: group.groupId, errorCode }, 'an empty group could not be stored')
  })
}

/** The leader's assignment is committed: everyone gets their part and the group is stable. */
export function propagateAssignment(group: ClassicGroup, assignments: ReadonlyMap<string, Uint8Array>, effects: GroupEffects): void {
  for (const member of group.members.values()) member.assignment = assignments.get(member.memberId) ?? NO_BYTES
  for (const member of group.members.values()) answerWithAssignment(group, member, effects)
  group.transition('Stable', effects.now())
}

export function answerWithAssignment(group: ClassicGroup, member: GroupMember, effects: GroupEffects): void {
  if (member.awaitingSync === null) return
  restartSession(group, member, effects)
  const { protocolType, protocolName } = group
  answerSync(member, { errorCode: ErrorCode.none, protocolType, protocolName, assignment: member.assignment })
}

export function failSyncs(group: ClassicGroup, effects: GroupEffects, errorCode: number): void {
  for (const member of group.members.values()) {
    member.assignment = NO_BYTES
    if (member.awaitingSync === null) continue
    restartSession(group, member, effects)
    answerSync(member, syncError(errorCode))
  }
}
