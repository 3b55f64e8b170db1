// API 60, DescribeCluster, v0-v2. 1: brokers or controllers asked for. 2: fenced brokers too.

import { errors } from '../../model/errors.js'
import type { DescribeClusterRequest, DescribeClusterResponse } from '../../protocol/schema/describe-cluster.js'
import { ALL_CLUSTER_OPERATIONS, controllerFor, nodesFor, NO_AUTHORIZED_OPERATIONS } from './cluster-view.js'
import type { HandlerContext, RequestContext } from './handler.js'

const BROKERS = 1
const CONTROLLERS = 2

export function handleDescribeCluster(
  request: DescribeClusterRequest,
  context: RequestContext,
  broker: HandlerContext,
): DescribeClusterResponse {
  const image = broker.image()
  const answer: DescribeClusterResponse = {
    throttleTimeMs: 0,
    errorCode: errors.NONE.code,
    errorMessage: null,
    endpointType: request.endpointType,
    clusterId: image.clusterId,
    controllerId: controllerFor(image),
    brokers: nodesFor(context, broker, request.includeFencedBrokers).map(({ nodeId, ...node }) => ({ brokerId: nodeId, ...node })),
    clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? ALL_CLUSTER_OPERATIONS : NO_AUTHORIZED_OPERATIONS,
  }
  if (request.endpointType === BROKERS) return answer
  const refusal = { ...answer, clusterId: '', controllerId: -1, brokers: [], clusterAuthorizedOperations: NO_AUTHORIZED_OPERATIONS }
  if (request.endpointType !== CONTROLLERS) {
    const errorMessage = `Unsupported endpoint type ${request.endpointType}`
    return { ...refusal, errorCode: errors.UNSUPPORTED_ENDPOINT_TYPE.code, errorMessage }
  }
  const errorMessage = 'The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER'
  return { ...refusal, errorCode: errors.MISMATCHED_ENDPOINT_TYPE.code, errorMessage }
}
