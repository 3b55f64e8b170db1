// ListGroups v0-v5. 4: states filter; 5: types filter. Asks every partition of __consumer_offsets that this node leads.

import { errors } from '../../model/errors.js'
import type { ListGroupsRequest } from '../../protocol/schema/list-groups.js'
import { callPartition, ledGroupPartitions } from './group-requests.js'
import type { HandlerContext, RequestContext } from './handler.js'

export async function handleListGroups(request: ListGroupsRequest, _context: RequestContext, broker: HandlerContext): Promise<object> {
  const argument = { statesFilter: [...request.statesFilter], typesFilter: [...request.typesFilter] }
  const answers = await Promise.all(ledGroupPartitions(broker).map((partition) => callPartition(broker, partition, 'listGroups', argument)))
  const groups: object[] = []
  for (const answer of answers) {
    // A partition that moved away meanwhile is listed by its new leader.
    if (answer.errorCode === errors.NOT_COORDINATOR.code) continue
    if (answer.unreached || answer.errorCode !== 0) return { throttleTimeMs: 0, errorCode: answer.errorCode, groups: [] }
    groups.push(...answer.groups)
  }
  return { throttleTimeMs: 0, errorCode: errors.NONE.code, groups }
}
