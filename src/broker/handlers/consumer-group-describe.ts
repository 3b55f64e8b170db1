// ConsumerGroupDescribe v0-v1. Groups of the newer consumer protocol (KIP-848) do not exist here yet: every group is answered
// GROUP_ID_NOT_FOUND, as Kafka does for a classic one, and admin clients then ask DescribeGroups.

import { errors } from '../../model/errors.js'
import type { ConsumerGroupDescribeRequest } from '../../protocol/schema/consumer-group-describe.js'
import { NO_AUTHORIZED_OPERATIONS } from './group-requests.js'
import type { HandlerContext, RequestContext } from './handler.js'

export function handleConsumerGroupDescribe(request: ConsumerGroupDescribeRequest, _context: RequestContext, _broker: HandlerContext): object {
  return {
    throttleTimeMs: 0,
    groups: request.groupIds.map((groupId) => ({
      errorCode: errors.GROUP_ID_NOT_FOUND.code,
      errorMessage: `Group ${groupId} is not a consumer group.`,
      groupId,
      groupState: '',
      groupEpoch: 0,
      assignmentEpoch: 0,
      assignorName: '',
      members: [],
      authorizedOperations: NO_AUTHORIZED_OPERATIONS,
    })),
  }
}
