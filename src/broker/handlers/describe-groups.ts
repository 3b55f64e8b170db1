// DescribeGroups v0-v6. 3: authorized operations; 6: an unknown group is GROUP_ID_NOT_FOUND, before it is a dead one.

import type { DescribedGroup } from '../../coordinators/group/messages.js'
import { errors } from '../../model/errors.js'
import type { DescribeGroupsRequest } from '../../protocol/schema/describe-groups.js'
import { ALL_GROUP_OPERATIONS, NO_AUTHORIZED_OPERATIONS, callGroup } from './group-requests.js'
import type { HandlerContext, RequestContext } from './handler.js'

export async function handleDescribeGroups(
  request: DescribeGroupsRequest,
  context: RequestContext,
  broker: HandlerContext,
): Promise<object> {
  const authorizedOperations = request.includeAuthorizedOperations ? ALL_GROUP_OPERATIONS : NO_AUTHORIZED_OPERATIONS
  const groups = request.groups.map(async (groupId) => {
    const group = await describe(broker, groupId)
    const isUnknown = group.errorCode === errors.GROUP_ID_NOT_FOUND.code
    if (isUnknown && context.version < 6) return { ...group, errorCode: errors.NONE.code, authorizedOperations }
    if (isUnknown) return { ...group, errorMessage: `Group ${groupId} not found.` }
    return group.errorCode === errors.NONE.code ? { ...group, authorizedOperations } : group
  })
  return { throttleTimeMs: 0, groups: await Promise.all(groups) }
}

async function describe(broker: HandlerContext, groupId: string): Promise<DescribedGroup> {
  const result = await callGroup(broker, groupId, 'describeGroups', { groupIds: [groupId] })
  const group = result.unreached ? undefined : result.groups[0]
  return group ?? { errorCode: result.errorCode, groupId, groupState: '', protocolType: '', protocolData: '', members: [] }
}
