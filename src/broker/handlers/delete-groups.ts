// DeleteGroups v0-v3. 3: an error message per group.

import type { DeleteGroupsRequest } from '../../protocol/schema/delete-groups.js'
import { callGroup } from './group-requests.js'
import type { HandlerContext, RequestContext } from './handler.js'

export async function handleDeleteGroups(request: DeleteGroupsRequest, _context: RequestContext, broker: HandlerContext): Promise<object> {
  const groupIds = [...new Set(request.groupsNames)]
  const results = groupIds.map(async (groupId) => {
    const result = await callGroup(broker, groupId, 'deleteGroups', { groupIds: [groupId] })
    const outcome = result.unreached ? undefined : result.results[0]
    return { groupId, errorCode: outcome?.errorCode ?? result.errorCode, errorMessage: null }
  })
  return { throttleTimeMs: 0, results: await Promise.all(results) }
}
