// API 33, AlterConfigs, v0-v2: the settings named replace all that the resource had.

import type { AlterConfigsRequest, AlterConfigsResponse } from '../../protocol/schema/alter-configs.js'
import { alterConfigs } from './alter-config-requests.js'
import type { HandlerContext, RequestContext } from './handler.js'

export async function handleAlterConfigs(
  request: AlterConfigsRequest,
  _context: RequestContext,
  broker: HandlerContext,
): Promise<AlterConfigsResponse> {
  const resources = request.resources.map(({ configs, ...resource }) => ({
    ...resource,
    changes: configs.map(({ name, value }) => ({ name, value, operation: 0 })),
  }))
  return { throttleTimeMs: 0, responses: await alterConfigs(resources, true, request.validateOnly, broker) }
}
