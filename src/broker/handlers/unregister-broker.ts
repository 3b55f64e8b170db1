// API 64, UnregisterBroker, v0: a broker that will not come back is forgotten.

import type { UnregisterBrokerRequest, UnregisterBrokerResponse } from '../../protocol/schema/unregister-broker.js'
import type { HandlerContext, RequestContext } from './handler.js'

export async function handleUnregisterBroker(
  request: UnregisterBrokerRequest,
  _context: RequestContext,
  broker: HandlerContext,
): Promise<UnregisterBrokerResponse> {
  return { throttleTimeMs: 0, ...(await broker.services.controller.unregisterBroker(request.brokerId)) }
}
