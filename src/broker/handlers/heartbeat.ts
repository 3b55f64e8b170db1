// Heartbeat v0-v4. 3: group.instance.id.

import type { HeartbeatRequest } from '../../protocol/schema/heartbeat.js'
import { callGroup } from './group-requests.js'
import type { HandlerContext, RequestContext } from './handler.js'

export async function handleHeartbeat(request: HeartbeatRequest, _context: RequestContext, broker: HandlerContext): Promise<object> {
  const { groupId, generationId, memberId, groupInstanceId } = request
  const { errorCode } = await callGroup(broker, groupId, 'heartbeat', { groupId, generationId, memberId, groupInstanceId })
  return { throttleTimeMs: 0, errorCode }
}
