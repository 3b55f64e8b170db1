// API 74, ListConfigResources, v0-v1. 0: client metrics subscriptions only. 1: any kinds, none named means all.

import type { ConfigResourceKind, MetadataImage } from '../../controller/image.js'
import { errors } from '../../model/errors.js'
import type { ListConfigResourcesRequest, ListConfigResourcesResponse } from '../../protocol/schema/list-config-resources.js'
import { kindOfResource, typeOfResource } from './config-resources.js'
import type { HandlerContext, RequestContext } from './handler.js'

const ALL_KINDS: readonly ConfigResourceKind[] = ['topic', 'broker', 'broker-logger', 'client-metrics', 'group']

export function handleListConfigResources(
  request: ListConfigResourcesRequest,
  context: RequestContext,
  broker: HandlerContext,
): ListConfigResourcesResponse {
  const types = context.version === 0 ? [typeOfResource('client-metrics')] : [...new Set(request.resourceTypes)]
  const kinds: readonly (ConfigResourceKind | undefined)[] = types.length === 0 ? ALL_KINDS : types.map(kindOfResource)
  if (kinds.includes(undefined)) return { throttleTimeMs: 0, errorCode: errors.UNSUPPORTED_VERSION.code, configResources: [] }
  const image = broker.image()
  const configResources = (kinds as ConfigResourceKind[]).flatMap((kind) =>
    namesOf(kind, image).map((resourceName) => ({ resourceName, resourceType: typeOfResource(kind) })),
  )
  return { throttleTimeMs: 0, errorCode: errors.NONE.code, configResources }
}

function namesOf(kind: ConfigResourceKind, image: MetadataImage): string[] {
  if (kind === 'topic') return [...image.topics.keys()]
  if (kind === 'broker' || kind === 'broker-logger') return [...image.brokers.keys()].map(String)
  const prefix = `${kind}:`
  return [...image.configs.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length))
}
