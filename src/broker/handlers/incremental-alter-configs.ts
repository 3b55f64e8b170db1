// API 44, IncrementalAlterConfigs, v0-v1: SET, DELETE, APPEND and SUBTRACT on single settings.

import type { IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse } from '../../protocol/schema/incremental-alter-configs.js'
import { alterConfigs } from './alter-config-requests.js'
import type { HandlerContext, RequestContext } from './handler.js'

export async function handleIncrementalAlterConfigs(
  request: IncrementalAlterConfigsRequest,
  _context: RequestContext,
  broker: HandlerContext,
): Promise<IncrementalAlterConfigsResponse> {
  const resources = request.resources.map(({ configs, ...resource }) => ({
    ...resource,
    changes: configs.map(({ name, value, configOperation }) => ({ name, value, operation: configOperation })),
  }))
  return { throttleTimeMs: 0, responses: await alterConfigs(resources, false, request.validateOnly, broker) }
}
