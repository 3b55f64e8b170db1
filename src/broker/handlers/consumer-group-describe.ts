// ConsumerGroupDescribe v0-v1. Groups of the newer consumer protocol (KIP-848) do not exist here yet: every group is answered
// GROUP_ID_NOT_FOUND, as Kafka does for a classic one, and admin clients then ask DescribeGroups.

import { errors } from '../../model/errors.js'
import type { ConsumerGroupDescribeRequest } from '../../protocol/schema/consumer-group-describe.js'
import { NO_AUTHORIZED_OPERATIONS, callGroup } from './group-requests.js'
import type { HandlerContext, RequestContext } from './handler.js'

export async function handleConsumerGroupDescribe(
  request: ConsumerGroupDescribeRequest,
  _context: RequestContext,
  broker: HandlerContext,
): Promise<object> {
  return { throttleTimeMs: 0, groups: await Promise.all(request.groupIds.map((groupId) => describe(broker, groupId))) }
}

async function describe(broker: HandlerContext, groupId: string): Promise<object> {
  const result = await callGroup(broker, groupId, 'describeGroups', { groupIds: [groupId] })
  const group = result.unreached ? undefined : result.groups[0]
  const isClassic = group?.errorCode === errors.NONE.code
  const isUnknown = group?.errorCode === errors.GROUP_ID_NOT_FOUND.code
  return {
    errorCode: isClassic ? errors.GROUP_ID_NOT_FOUND.code : (group ?? result).errorCode,
    errorMessage: isClassic ? `Group ${groupId} is not a consumer group.` : isUnknown ? `Group ${groupId} not found.` : null,
    groupId,
    groupState: '',
    groupEpoch: 0,
    assignmentEpoch: 0,
    assignorName: '',
    members: [],
    authorizedOperations: NO_AUTHORIZED_OPERATIONS,
  }
}
