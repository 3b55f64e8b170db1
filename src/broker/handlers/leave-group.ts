// LeaveGroup v0-v5. Before 3 one member leaves and its error is the top-level one; from 3 several, by id or instance id.

import { errors } from '../../model/errors.js'
import type { LeaveGroupRequest } from '../../protocol/schema/leave-group.js'
import { callGroup } from './group-requests.js'
import type { HandlerContext, RequestContext } from './handler.js'

export async function handleLeaveGroup(request: LeaveGroupRequest, context: RequestContext, broker: HandlerContext): Promise<object> {
  const single = context.version < 3
  const members = single ? [{ memberId: request.memberId, groupInstanceId: null, reason: null }] : request.members
  const { groupId } = request
  const result = await callGroup(broker, groupId, 'leaveGroup', {
    groupId,
    members: members.map(({ memberId, groupInstanceId, reason }) => ({ memberId, groupInstanceId, reason })),
  })
  if (result.unreached) return { throttleTimeMs: 0, errorCode: result.errorCode, members: [] }
  if (!single) return { throttleTimeMs: 0, ...result }
  return { throttleTimeMs: 0, errorCode: result.errorCode || (result.members[0]?.errorCode ?? errors.NONE.code), members: [] }
}
