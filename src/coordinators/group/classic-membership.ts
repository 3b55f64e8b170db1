// SyncGroup v0-v5, Heartbeat v0-v4 and LeaveGroup v0-v5 for classic groups. What the versions change: group.instance.id
// (Sync 3, Heartbeat 3, Leave 3), protocol type and name are checked (Sync 5), several members leave at once (Leave 3).

import { ErrorCode, coordinatorErrorForAppend } from '../error-codes.js'
import type { ClassicGroup } from './classic-group.js'
import { validateMember } from './classic-join.js'
import {
  answerSync,
  answerWithAssignment,
  failSyncs,
  prepareRebalance,
  propagateAssignment,
  rebalanceAfterRemoval,
  removeMember,
  restartSession,
  syncError,
} from './classic-rebalance.js'
import { timerKey } from './group-effects.js'
import type { GroupEffects } from './group-effects.js'
import type { HeartbeatArgument, LeaveGroupArgument, LeaveGroupResult, SyncGroupArgument, SyncGroupResult } from './messages.js'
import { groupRecord } from './record-format.js'

export function syncGroup(
  group: ClassicGroup,
  argument: SyncGroupArgument,
  effects: GroupEffects,
  answer: (result: SyncGroupResult) => void,
): void {
  const errorCode = refuseSync(group, argument)
  if (errorCode !== ErrorCode.none) {
    answer(syncError(errorCode))
    return
  }
  const member = group.members.get(argument.memberId)!
  group.pendingSyncMembers.delete(member.memberId)
  // A retry over the first request: the newer one gets the assignment.
  answerSync(member, syncError(ErrorCode.rebalanceInProgress))
  member.awaitingSync = answer
  if (group.state === 'Stable') answerWithAssignment(group, member, effects)
  else if (group.isLeader(member.memberId)) storeAssignment(group, argument, effects)
  if (group.pendingSyncMembers.size === 0) effects.cancel(timerKey.sync(group.groupId))
}

function refuseSync(group: ClassicGroup, argument: SyncGroupArgument): number {
  if (group.state === 'Dead') return ErrorCode.coordinatorNotAvailable
  const errorCode = validateMember(group, argument.memberId, argument.groupInstanceId)
  if (errorCode !== ErrorCode.none) return errorCode
  if (argument.generationId !== group.generationId) return ErrorCode.illegalGeneration
  if (argument.protocolType !== null && argument.protocolType !== group.protocolType) return ErrorCode.inconsistentGroupProtocol
  if (argument.protocolName !== null && argument.protocolName !== group.protocolName) return ErrorCode.inconsistentGroupProtocol
  if (group.state === 'Empty') return ErrorCode.unknownMemberId
  return group.state === 'PreparingRebalance' ? ErrorCode.rebalanceInProgress : ErrorCode.none
}

/** Members the leader left out get nothing. Everyone is answered once the assignment is committed. */
function storeAssignment(group: ClassicGroup, argument: SyncGroupArgument, effects: GroupEffects): void {
  const given = new Map(argument.assignments.map((each) => [each.memberId, each.assignment]))
  const assignments = new Map([...group.members.keys()].map((memberId) => [memberId, given.get(memberId) ?? new Uint8Array(0)]))
  const { generationId } = group
  effects.append([groupRecord(group.groupId, group.toStored(assignments))], (errorCode) => {
    // Another rebalance started before the commit: its members were told so already.
    if (group.state !== 'CompletingRebalance' || group.generationId !== generationId) return
    if (errorCode === ErrorCode.none) {
      propagateAssignment(group, assignments, effects)
    } else {
      failSyncs(group, effects, coordinatorErrorForAppend(errorCode))
      prepareRebalance(group, effects)
    }
  })
}

export function heartbeat(group: ClassicGroup, argument: HeartbeatArgument, effects: GroupEffects): number {
  if (group.state === 'Dead') return ErrorCode.coordinatorNotAvailable
  const errorCode = validateMember(group, argument.memberId, argument.groupInstanceId)
  if (errorCode !== ErrorCode.none) return errorCode
  if (argument.generationId !== group.generationId) return ErrorCode.illegalGeneration
  if (group.state === 'Empty') return ErrorCode.unknownMemberId
  restartSession(group, group.members.get(argument.memberId)!, effects)
  return group.state === 'PreparingRebalance' ? ErrorCode.rebalanceInProgress : ErrorCode.none
}

export function leaveGroup(group: ClassicGroup, argument: LeaveGroupArgument, effects: GroupEffects): LeaveGroupResult {
  if (group.state === 'Dead') return { errorCode: ErrorCode.coordinatorNotAvailable, members: [] }
  const members = argument.members.map((leaving) => ({
    memberId: leaving.memberId,
    groupInstanceId: leaving.groupInstanceId,
    errorCode: leaveOne(group, leaving.memberId, leaving.groupInstanceId, effects),
  }))
  if (members.some((member) => member.errorCode === ErrorCode.none)) rebalanceAfterRemoval(group, effects)
  return { errorCode: ErrorCode.none, members }
}

function leaveOne(group: ClassicGroup, memberId: string, groupInstanceId: string | null, effects: GroupEffects): number {
  if (group.pendingJoinMembers.has(memberId)) {
    effects.cancel(timerKey.session(group.groupId, memberId))
    group.remove(memberId)
    return ErrorCode.none
  }
  // An admin removes a static member by its instance id alone.
  const id = memberId === '' && groupInstanceId !== null ? (group.staticMembers.get(groupInstanceId) ?? '') : memberId
  const errorCode = validateMember(group, id, groupInstanceId)
  if (errorCode === ErrorCode.none) removeMember(group, group.members.get(id)!, effects)
  return errorCode
}
