// API 18, ApiVersions. 3: flexible, client software, features. 4: feature min version 0. 5: cluster and node id. The answer derives from the
// tables and from the handlers there are. A version that is too new is answered in version 0 with UNSUPPORTED_VERSION and its own
// range alone (KIP-511), by the request processor.

import { errors } from '../../model/errors.js'
import { SUPPORTED_FEATURES } from '../../controller/features.js'
import { apiVersionsFor, supportedFeatures } from '../../protocol/codec/index.js'
import type { ApiVersionsRequest, ApiVersionsResponse } from '../../protocol/schema/api-versions.js'
import type { HandlerContext, RequestContext } from './handler.js'

/** KIP-511's rule for names and versions of client software. */
const SOFTWARE_PATTERN = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/

const FEATURES = [
  ...supportedFeatures,
  ...Array.from(SUPPORTED_FEATURES, ([name, { min, max }]) => ({ name, minVersion: min, maxVersion: max })),
]

/** A refusal: without features. */
export function apiVersionsAnswer(errorCode: number, handledKeys: readonly number[]): ApiVersionsResponse {
  return {
    errorCode,
    apiKeys: apiVersionsFor(handledKeys),
    throttleTimeMs: 0,
    supportedFeatures: [],
    finalizedFeaturesEpoch: -1,
    finalizedFeatures: [],
    zkMigrationReady: false,
  }
}

export function handleApiVersions(request: ApiVersionsRequest, context: RequestContext, broker: HandlerContext): ApiVersionsResponse {
  const { clientSoftwareName, clientSoftwareVersion } = request
  if (context.version >= 3 && !(SOFTWARE_PATTERN.test(clientSoftwareName) && SOFTWARE_PATTERN.test(clientSoftwareVersion))) {
    return apiVersionsAnswer(errors.INVALID_REQUEST.code, [])
  }
  const { features, zxid } = broker.image()
  return {
    ...apiVersionsAnswer(errors.NONE.code, broker.services.handledKeys),
    supportedFeatures: FEATURES,
    // Grows with every change of the metadata, as Kafka's does.
    finalizedFeaturesEpoch: Number(zxid),
    finalizedFeatures: Array.from(features, ([name, level]) => ({ name, maxVersionLevel: level, minVersionLevel: level })),
  }
}
