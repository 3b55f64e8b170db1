// JoinGroup v0-v9. 1: rebalance timeout; 4: a new member is first told its id; 5: group.instance.id; 7: protocol type in the
// answer, null protocol name allowed; 8: reason; 9: skipAssignment.

import type { JoinGroupRequest } from '../../protocol/schema/join-group.js'
import { callGroup, ownBytes } from './group-requests.js'
import type { HandlerContext, RequestContext } from './handler.js'

export async function handleJoinGroup(request: JoinGroupRequest, context: RequestContext, broker: HandlerContext): Promise<object> {
  const { version } = context
  const result = await callGroup(broker, request.groupId, 'joinGroup', {
    groupId: request.groupId,
    memberId: request.memberId,
    groupInstanceId: request.groupInstanceId,
    sessionTimeoutMs: request.sessionTimeoutMs,
    rebalanceTimeoutMs: version === 0 ? request.sessionTimeoutMs : request.rebalanceTimeoutMs,
    protocolType: request.protocolType,
    protocols: request.protocols.map(({ name, metadata }) => ({ name, metadata: ownBytes(metadata) })),
    reason: request.reason,
    clientId: context.clientId ?? '',
    clientHost: `/${context.clientHost}`,
    requireKnownMemberId: version >= 4 && request.groupInstanceId === null,
    supportsSkippingAssignment: version >= 9,
  })
  const noName = version >= 7 ? null : ''
  if (result.unreached) {
    return { errorCode: result.errorCode, generationId: -1, protocolName: noName, leader: '', memberId: request.memberId, members: [] }
  }
  return { ...result, throttleTimeMs: 0, protocolName: result.protocolName ?? noName }
}
