// Groups as ListGroups and DescribeGroups show them. Pure.

import { ErrorCode } from '../error-codes.js'
import type { ClassicGroup } from './classic-group.js'
import type { DescribedGroup, ListGroupsArgument, ListGroupsResult } from './messages.js'

const CLASSIC_TYPE = 'classic'
const NO_BYTES = new Uint8Array(0)

/** Filters are compared without case, as Kafka does. */
export function isListed(group: ClassicGroup, filter: ListGroupsArgument): boolean {
  return matches(filter.statesFilter, group.state) && matches(filter.typesFilter, CLASSIC_TYPE)
}

function matches(filter: readonly string[], value: string): boolean {
  return filter.length === 0 || filter.some((each) => each.toLowerCase() === value.toLowerCase())
}

export function listGroup(group: ClassicGroup): ListGroupsResult['groups'][number] {
  return { groupId: group.groupId, protocolType: group.protocolType ?? '', groupState: group.state, groupType: CLASSIC_TYPE }
}

/** Subscriptions and assignments are shown only while they hold: in a stable group. */
export function describeGroup(groupId: string, group: ClassicGroup | undefined): DescribedGroup {
  if (group === undefined || group.state === 'Dead') {
    return { errorCode: ErrorCode.groupIdNotFound, groupId, groupState: 'Dead', protocolType: '', protocolData: '', members: [] }
  }
  const stable = group.state === 'Stable'
  return {
    errorCode: ErrorCode.none,
    groupId,
    groupState: group.state,
    protocolType: group.protocolType ?? '',
    protocolData: stable ? (group.protocolName ?? '') : '',
    members: [...group.members.values()].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: stable ? group.metadataOf(member) : NO_BYTES,
      memberAssignment: stable ? member.assignment : NO_BYTES,
    })),
  }
}
