// API 57, UpdateFeatures, v0-v2. 1: upgrade types and validateOnly. 2: one outcome for all, no rows.

import type { UpdateFeaturesRequest, UpdateFeaturesResponse } from '../../protocol/schema/update-features.js'
import { errors } from '../../model/errors.js'
import type { HandlerContext, RequestContext } from './handler.js'

const UPGRADE = 1
const SAFE_DOWNGRADE = 2

export async function handleUpdateFeatures(
  request: UpdateFeaturesRequest,
  context: RequestContext,
  broker: HandlerContext,
): Promise<UpdateFeaturesResponse> {
  const updates = request.featureUpdates.map(({ feature, maxVersionLevel, allowDowngrade, upgradeType }) => {
    const v0Type = allowDowngrade ? SAFE_DOWNGRADE : UPGRADE
    return { feature, level: maxVersionLevel, upgradeType: context.version === 0 ? v0Type : upgradeType }
  })
  const outcome = await broker.services.controller.updateFeatures(updates, request.validateOnly)
  const failed = outcome.errorCode !== errors.NONE.code
  // Kafka names the error that there is not.
  const results = failed ? [] : updates.map(({ feature }) => ({ feature, errorCode: errors.NONE.code, errorMessage: errors.NONE.name }))
  return { throttleTimeMs: 0, ...outcome, results }
}
