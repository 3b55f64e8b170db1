// API 3, Metadata, v0-v13. 0: no topics named means all. 1: null means all; racks, controller, internal flag.
// 2: cluster id. 4: whether missing topics may be created. 5: offline replicas. 7: leader epochs. 8-10: authorized
// operations of the cluster. 8: of topics. 10: topic ids in answers. 12: topics asked by id. 13: top-level error.

import type { MetadataImage, TopicImage } from '../../controller/image.js'
import { topicNameProblem } from '../../controller/topic-names.js'
import { errors } from '../../model/errors.js'
import { isInternalTopic, ZERO_UUID } from '../../model/topic-partition.js'
import type { MetadataRequest, MetadataResponse } from '../../protocol/schema/metadata.js'
import { autoCreateSpec } from './auto-create.js'
import {
  ALL_CLUSTER_OPERATIONS,
  ALL_TOPIC_OPERATIONS,
  controllerFor,
  nodesFor,
  NO_AUTHORIZED_OPERATIONS,
  partitionRow,
} from './cluster-view.js'
import type { HandlerContext, RequestContext } from './handler.js'

type TopicRow = MetadataResponse['topics'][number]
type Asked = NonNullable<MetadataRequest['topics']>

export function handleMetadata(
  request: MetadataRequest,
  context: RequestContext,
  broker: HandlerContext,
): MetadataResponse | Promise<MetadataResponse> {
  const asked = request.topics
  if (asked === null || (context.version === 0 && asked.length === 0)) {
    const image = broker.image()
    return respond(
      request,
      context,
      broker,
      [...image.topics.values()].map((topic) => knownTopic(topic, image, request, context)),
    )
  }
  const missing = missingNames(asked, broker.image())
  const mayCreate = request.allowAutoTopicCreation && missing.length > 0 && broker.services.configs.getBoolean('auto.create.topics.enable')
  if (!mayCreate) return respond(request, context, broker, rowsFor(asked, broker.image(), request, context, new Map()))
  return createMissing(missing, broker).then((refused) =>
    respond(request, context, broker, rowsFor(asked, broker.image(), request, context, refused)),
  )
}

function missingNames(asked: Asked, image: MetadataImage): string[] {
  const names = asked.flatMap(({ name }) => (name !== null && !image.topics.has(name) ? [name] : []))
  return [...new Set(names)]
}

/** Creates what can be; resolves with the error code of each topic that is not there afterwards. */
async function createMissing(names: readonly string[], broker: HandlerContext): Promise<ReadonlyMap<string, number>> {
  const refused = new Map<string, number>()
  const { configs, controller } = broker.services
  const legal = names.filter((name) => topicNameProblem(name) === null)
  if (legal.length === 0) return refused
  const specs = legal.map((name) => autoCreateSpec(name, configs, broker.image()))
  for (const outcome of await controller.createTopics(specs, false)) {
    // Somebody else created it in between: it is there, which is all that was wanted.
    if (outcome.errorCode === errors.NONE.code || outcome.errorCode === errors.TOPIC_ALREADY_EXISTS.code) continue
    broker.env.logger.warn({ topic: outcome.name, error: outcome.errorMessage }, 'a topic could not be created automatically')
    refused.set(outcome.name, outcome.errorCode)
  }
  return refused
}

function rowsFor(
  asked: Asked,
  image: MetadataImage,
  request: MetadataRequest,
  context: RequestContext,
  refused: ReadonlyMap<string, number>,
): TopicRow[] {
  const rows: TopicRow[] = []
  const seen = new Set<string>()
  for (const { name, topicId } of asked) {
    const key = name ?? `id ${topicId}`
    if (seen.has(key)) continue
    seen.add(key)
    const illegal = context.version < 12 && (name === null || topicId !== ZERO_UUID)
    const topic = illegal ? undefined : image.topics.get(name ?? image.topicNames.get(topicId) ?? '')
    if (topic) rows.push(knownTopic(topic, image, request, context))
    else rows.push(unknownTopic(name, topicId, illegal ? errors.INVALID_REQUEST.code : codeOfMissing(name, refused)))
  }
  return rows
}

function codeOfMissing(name: string | null, refused: ReadonlyMap<string, number>): number {
  if (name === null) return errors.UNKNOWN_TOPIC_ID.code
  if (topicNameProblem(name) !== null) return errors.INVALID_TOPIC_EXCEPTION.code
  return refused.get(name) ?? errors.UNKNOWN_TOPIC_OR_PARTITION.code
}

function unknownTopic(name: string | null, topicId: string, errorCode: number): TopicRow {
  return {
    errorCode,
    name,
    topicId: name === null ? topicId : ZERO_UUID,
    isInternal: name !== null && isInternalTopic(name),
    partitions: [],
    topicAuthorizedOperations: NO_AUTHORIZED_OPERATIONS,
  }
}

function knownTopic(topic: TopicImage, image: MetadataImage, request: MetadataRequest, context: RequestContext): TopicRow {
  return {
    errorCode: errors.NONE.code,
    name: topic.name,
    topicId: topic.id,
    isInternal: isInternalTopic(topic.name),
    partitions: topic.partitions.map((state) => partitionRow(state, image, context.version === 0)),
    topicAuthorizedOperations: request.includeTopicAuthorizedOperations ? ALL_TOPIC_OPERATIONS : NO_AUTHORIZED_OPERATIONS,
  }
}

function respond(request: MetadataRequest, context: RequestContext, broker: HandlerContext, topics: TopicRow[]): MetadataResponse {
  const image = broker.image()
  return {
    throttleTimeMs: 0,
    brokers: nodesFor(context, broker).map(({ nodeId, host, port, rack }) => ({ nodeId, host, port, rack })),
    clusterId: image.clusterId,
    controllerId: controllerFor(image),
    topics,
    clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? ALL_CLUSTER_OPERATIONS : NO_AUTHORIZED_OPERATIONS,
    errorCode: errors.NONE.code,
  }
}
