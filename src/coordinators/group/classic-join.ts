// JoinGroup for classic groups, v0-v9. What the versions change: v4 a new dynamic member must come back with the id it is told
// (MEMBER_ID_REQUIRED); v5 group.instance.id; v9 a returning static leader may be told to skip the assignment.
// Functions of (group, argument, effects); the answer is called now or when the rebalance ends.

import { ErrorCode, coordinatorErrorForAppend } from '../error-codes.js'
import type { ClassicGroup, GroupMember } from './classic-group.js'
import { sameProtocols } from './classic-group.js'
import {
  NEW_MEMBER_JOIN_TIMEOUT_MS,
  answerJoin,
  answerSync,
  completeJoinIfReady,
  currentGeneration,
  joinError,
  prepareRebalance,
  rebalanceOrCompleteJoin,
  restartSession,
  syncError,
} from './classic-rebalance.js'
import { timerKey } from './group-effects.js'
import type { GroupEffects } from './group-effects.js'
import type { JoinGroupArgument, JoinGroupResult } from './messages.js'
import { groupRecord } from './record-format.js'

export type JoinAnswer = (result: JoinGroupResult) => void

/** 0, or why a request that names this member is refused. */
export function validateMember(group: ClassicGroup, memberId: string, groupInstanceId: string | null): number {
  if (groupInstanceId !== null) {
    const current = group.staticMembers.get(groupInstanceId)
    if (current === undefined) return ErrorCode.unknownMemberId
    if (current !== memberId) return ErrorCode.fencedInstanceId
  }
  return group.members.has(memberId) ? ErrorCode.none : ErrorCode.unknownMemberId
}

export function joinGroup(group: ClassicGroup, argument: JoinGroupArgument, effects: GroupEffects, answer: JoinAnswer): void {
  if (!hasRoomFor(group, argument.memberId, effects.config().maxSize)) {
    refuseForSize(group, argument.memberId, effects)
    answer(joinError('', ErrorCode.groupMaxSizeReached))
  } else if (group.state === 'Dead') {
    answer(joinError(argument.memberId, ErrorCode.coordinatorNotAvailable))
  } else if (!group.supportsProtocols(argument.protocolType, argument.protocols)) {
    answer(joinError(argument.memberId, ErrorCode.inconsistentGroupProtocol))
  } else if (argument.memberId === '') {
    joinAsNew(group, argument, effects, answer)
  } else {
    joinAsKnown(group, argument, effects, answer)
  }
}

function hasRoomFor(group: ClassicGroup, memberId: string, maxSize: number): boolean {
  switch (group.state) {
    case 'Empty':
    case 'Dead':
      return true
    case 'PreparingRebalance':
      // Those who are not back yet may lose their place to those who are.
      return group.members.get(memberId)?.awaitingJoin != null || group.awaitingJoinCount < maxSize
    default:
      return group.members.has(memberId) || group.members.size < maxSize
  }
}

function refuseForSize(group: ClassicGroup, memberId: string, effects: GroupEffects): void {
  effects.cancel(timerKey.session(group.groupId, memberId))
  group.remove(memberId)
}

function joinAsNew(group: ClassicGroup, argument: JoinGroupArgument, effects: GroupEffects, answer: JoinAnswer): void {
  const memberId = `${argument.groupInstanceId ?? argument.clientId}-${effects.newUuid()}`
  if (argument.groupInstanceId !== null) {
    const existing = group.staticMembers.get(argument.groupInstanceId)
    if (existing === undefined) addMember(group, memberId, argument, effects, answer)
    else replaceStaticMember(group, existing, memberId, argument, effects, answer)
  } else if (argument.requireKnownMemberId) {
    group.pendingJoinMembers.add(memberId)
    const drop = (): void => {
      if (!group.pendingJoinMembers.delete(memberId)) return
      completeJoinIfReady(group, effects)
    }
    effects.schedule(timerKey.session(group.groupId, memberId), argument.sessionTimeoutMs, drop)
    answer(joinError(memberId, ErrorCode.memberIdRequired))
  } else {
    addMember(group, memberId, argument, effects, answer)
  }
}

function joinAsKnown(group: ClassicGroup, argument: JoinGroupArgument, effects: GroupEffects, answer: JoinAnswer): void {
  const { memberId } = argument
  if (group.pendingJoinMembers.has(memberId)) {
    addMember(group, memberId, argument, effects, answer)
    return
  }
  const errorCode = validateMember(group, memberId, argument.groupInstanceId)
  if (errorCode !== ErrorCode.none) {
    answer(joinError(memberId, errorCode))
    return
  }
  const member = group.members.get(memberId)!
  const unchanged = sameProtocols(member.protocols, argument.protocols)
  if (group.state === 'CompletingRebalance' && unchanged) {
    // The answer to its join was lost: it is in this generation already.
    answer(currentGeneration(group, memberId, group.isLeader(memberId)))
  } else if (group.state === 'Stable' && unchanged && !group.isLeader(memberId)) {
    // Only the leader may ask for a rebalance by joining again (it saw new partitions, say).
    answer(currentGeneration(group, memberId, false))
  } else if (group.state === 'Empty') {
    answer(joinError(memberId, ErrorCode.unknownMemberId))
  } else {
    updateMember(member, argument, answer)
    rebalanceOrCompleteJoin(group, effects)
  }
}

function addMember(group: ClassicGroup, memberId: string, argument: JoinGroupArgument, effects: GroupEffects, answer: JoinAnswer): void {
  const member: GroupMember = {
    memberId,
    groupInstanceId: argument.groupInstanceId,
    clientId: argument.clientId,
    clientHost: argument.clientHost,
    rebalanceTimeoutMs: argument.rebalanceTimeoutMs,
    sessionTimeoutMs: argument.sessionTimeoutMs,
    protocols: argument.protocols,
    assignment: new Uint8Array(0),
    awaitingJoin: answer,
    awaitingSync: null,
    isNew: true,
  }
  if (group.state === 'PreparingRebalance' && group.previousState === 'Empty') group.newMemberAdded = true
  group.add(member)
  group.protocolType ??= argument.protocolType
  restartSession(group, member, effects, NEW_MEMBER_JOIN_TIMEOUT_MS)
  rebalanceOrCompleteJoin(group, effects)
}

function updateMember(member: GroupMember, argument: JoinGroupArgument, answer: JoinAnswer): void {
  member.protocols = argument.protocols
  member.rebalanceTimeoutMs = argument.rebalanceTimeoutMs
  member.sessionTimeoutMs = argument.sessionTimeoutMs
  // A retry over the first request: the newer one gets the generation, the older one is let go.
  answerJoin(member, joinError(member.memberId, ErrorCode.rebalanceInProgress))
  member.awaitingJoin = answer
}

/** A static member is back without its member id (it restarted): it takes its place under a new id, the old one is fenced. */
function replaceStaticMember(
  group: ClassicGroup,
  oldId: string,
  newId: string,
  argument: JoinGroupArgument,
  effects: GroupEffects,
  answer: JoinAnswer,
): void {
  const previousLeader = group.leaderId ?? ''
  const old = group.members.get(oldId)!
  answerJoin(old, joinError(oldId, ErrorCode.fencedInstanceId))
  answerSync(old, syncError(ErrorCode.fencedInstanceId))
  effects.cancel(timerKey.session(group.groupId, oldId))
  const before = { protocols: old.protocols, rebalanceTimeoutMs: old.rebalanceTimeoutMs, sessionTimeoutMs: old.sessionTimeoutMs }
  const member = group.renameMember(oldId, newId)
  updateMember(member, argument, answer)
  restartSession(group, member, effects)
  if (group.state === 'Stable' && group.selectProtocol() === group.protocolName) {
    keepGeneration(group, member, oldId, before, argument, previousLeader, effects)
  } else if (group.state === 'Stable' || group.state === 'CompletingRebalance') {
    // In CompletingRebalance the leader may be assigning to the old id already: the new one would get nothing.
    prepareRebalance(group, effects)
  } else {
    completeJoinIfReady(group, effects)
  }
}

type MemberSettings = Pick<GroupMember, 'protocols' | 'rebalanceTimeoutMs' | 'sessionTimeoutMs'>

/** KIP-345: the new id is stored, the generation and its assignments stay. */
function keepGeneration(
  group: ClassicGroup,
  member: GroupMember,
  oldId: string,
  before: MemberSettings,
  argument: JoinGroupArgument,
  previousLeader: string,
  effects: GroupEffects,
): void {
  const newId = member.memberId
  effects.append([groupRecord(group.groupId, group.toStored(group.currentAssignments))], (errorCode) => {
    // Gone or replaced again meanwhile: it has its answer.
    if (member.memberId !== newId || group.members.get(newId) !== member) return
    if (errorCode !== ErrorCode.none) {
      Object.assign(member, before)
      effects.cancel(timerKey.session(group.groupId, newId))
      group.renameMember(newId, oldId)
      restartSession(group, member, effects)
      answerJoin(member, { ...joinError('', coordinatorErrorForAppend(errorCode)), leader: previousLeader })
    } else if (argument.supportsSkippingAssignment) {
      // KIP-814: a leader that restarted learns the members but must not assign again.
      const isLeader = group.isLeader(newId)
      answerJoin(member, currentGeneration(group, newId, isLeader, isLeader))
    } else {
      // The old leader's id makes an older client that was the leader wait as a follower.
      answerJoin(member, { ...currentGeneration(group, newId, false), leader: previousLeader })
    }
  })
}
