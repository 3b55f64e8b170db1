// API 32, DescribeConfigs, v1-v4: every setting with its value and where it comes from. 3: types and documentation.

import { topicNameProblem } from '../../controller/topic-names.js'
import type { ConfigResourceKind } from '../../controller/image.js'
import { errors } from '../../model/errors.js'
import type { DescribeConfigsRequest, DescribeConfigsResponse } from '../../protocol/schema/describe-configs.js'
import { brokerNameProblem, kindOfResource } from './config-resources.js'
import type { HandlerContext, RequestContext } from './handler.js'

type Asked = DescribeConfigsRequest['resources'][number]
type Result = DescribeConfigsResponse['results'][number]

export function handleDescribeConfigs(
  request: DescribeConfigsRequest,
  _context: RequestContext,
  broker: HandlerContext,
): DescribeConfigsResponse {
  return { throttleTimeMs: 0, results: request.resources.map((asked) => describe(asked, request, broker)) }
}

function describe(asked: Asked, request: DescribeConfigsRequest, broker: HandlerContext): Result {
  const { resourceType, resourceName } = asked
  const kind = kindOfResource(resourceType)
  const [errorCode, errorMessage] = kind
    ? resourceProblem(kind, resourceName, broker)
    : [errors.INVALID_REQUEST.code, `Unsupported resource type: ${resourceType}`]
  // Kafka sends an empty message here where other APIs send null.
  const head = { errorCode, errorMessage: errorMessage ?? '', resourceType, resourceName }
  if (!kind || errorCode !== errors.NONE.code) return { ...head, configs: [] }
  return { ...head, configs: entriesOf(kind, asked, request, broker) }
}

function resourceProblem(kind: ConfigResourceKind, name: string, broker: HandlerContext): readonly [number, string | null] {
  const invalid = (text: string | null): readonly [number, string | null] => [text ? errors.INVALID_REQUEST.code : errors.NONE.code, text]
  switch (kind) {
    case 'topic': {
      const problem = topicNameProblem(name)
      if (problem) return [errors.INVALID_TOPIC_EXCEPTION.code, problem]
      return [broker.image().topics.has(name) ? errors.NONE.code : errors.UNKNOWN_TOPIC_OR_PARTITION.code, null]
    }
    case 'broker':
      return invalid(brokerNameProblem(name, broker.nodeId))
    case 'broker-logger':
      return invalid(name === '' ? 'Broker id must not be empty' : brokerNameProblem(name, broker.nodeId))
    case 'client-metrics':
      return invalid(name === '' ? 'Client metrics subscription name must not be empty' : null)
    case 'group':
      return invalid(name === '' ? 'Group name must not be empty' : null)
  }
}

function entriesOf(kind: ConfigResourceKind, asked: Asked, request: DescribeConfigsRequest, broker: HandlerContext): Result['configs'] {
  const wanted = asked.configurationKeys?.length ? new Set(asked.configurationKeys) : null
  const entries = broker.services.configs.describe(kind, asked.resourceName)
  return entries
    .filter((entry) => !wanted || wanted.has(entry.name))
    .map((entry) => ({
      name: entry.name,
      value: entry.value,
      readOnly: entry.readOnly,
      configSource: entry.source,
      isSensitive: entry.isSensitive,
      synonyms: request.includeSynonyms ? [...entry.synonyms] : [],
      configType: entry.type,
      documentation: request.includeDocumentation ? entry.documentation : null,
    }))
}
