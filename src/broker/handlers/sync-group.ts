// SyncGroup v0-v5. 3: group.instance.id; 5: protocol type and name are sent, must be there, and are checked.

import { errors } from '../../model/errors.js'
import type { SyncGroupRequest } from '../../protocol/schema/sync-group.js'
import { callGroup, ownBytes } from './group-requests.js'
import type { HandlerContext, RequestContext } from './handler.js'

export async function handleSyncGroup(request: SyncGroupRequest, context: RequestContext, broker: HandlerContext): Promise<object> {
  if (context.version >= 5 && (request.protocolType === null || request.protocolName === null)) {
    return { errorCode: errors.INCONSISTENT_GROUP_PROTOCOL.code, assignment: new Uint8Array(0) }
  }
  const result = await callGroup(broker, request.groupId, 'syncGroup', {
    groupId: request.groupId,
    generationId: request.generationId,
    memberId: request.memberId,
    groupInstanceId: request.groupInstanceId,
    protocolType: request.protocolType,
    protocolName: request.protocolName,
    assignments: request.assignments.map(({ memberId, assignment }) => ({ memberId, assignment: ownBytes(assignment) })),
  })
  if (result.unreached) return { errorCode: result.errorCode, assignment: new Uint8Array(0) }
  return { ...result, throttleTimeMs: 0 }
}
