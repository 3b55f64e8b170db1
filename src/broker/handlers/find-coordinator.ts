// API 10, FindCoordinator, v0-v6. 1: key types, error messages. 4: many keys at once. 6: share groups.

import { errors } from '../../model/errors.js'
import { GROUP_METADATA_TOPIC } from '../../model/topic-partition.js'
import type { FindCoordinatorRequest, FindCoordinatorResponse } from '../../protocol/schema/find-coordinator.js'
import { aliveNode } from './cluster-view.js'
import type { HandlerContext, RequestContext } from './handler.js'

const GROUP = 0
const TRANSACTION = 1

type Row = FindCoordinatorResponse['coordinators'][number]

export async function handleFindCoordinator(
  request: FindCoordinatorRequest,
  context: RequestContext,
  broker: HandlerContext,
): Promise<FindCoordinatorResponse> {
  const many = context.version >= 4
  const keys = many ? request.coordinatorKeys : [request.key]
  const rows = await Promise.all(keys.map((key) => find(request.keyType, key, context, broker)))
  if (many) return { throttleTimeMs: 0, errorCode: 0, errorMessage: null, nodeId: -1, host: '', port: -1, coordinators: rows }
  const { nodeId, host, port, errorCode, errorMessage } = rows[0]!
  return { throttleTimeMs: 0, errorCode, errorMessage, nodeId, host, port, coordinators: [] }
}

async function find(keyType: number, key: string, context: RequestContext, broker: HandlerContext): Promise<Row> {
  if (keyType === GROUP) return findGroup(key, context, broker)
  if (keyType === TRANSACTION) {
    // Not COORDINATOR_NOT_AVAILABLE: that is retriable, and a client would try for a minute and report a timeout.
    // This one ends initTransactions() at once, and the Java client shows the text.
    return failed(
      key,
      errors.UNSUPPORTED_VERSION.code,
      'Transactions are not supported by this node yet. Use an idempotent producer without transactional.id.',
    )
  }
  return failed(
    key,
    errors.INVALID_REQUEST.code,
    keyType === 2 ? 'Share groups are not supported by this node.' : `Unknown coordinator type ${keyType}.`,
  )
}

async function findGroup(groupId: string, context: RequestContext, broker: HandlerContext): Promise<Row> {
  const partition = await broker.services.groupPartitionFor(groupId)
  const leader = broker.image().topics.get(GROUP_METADATA_TOPIC)?.partitions[partition]?.leader ?? -1
  const node = partition < 0 ? undefined : aliveNode(leader, context, broker)
  if (!node) return failed(groupId, errors.COORDINATOR_NOT_AVAILABLE.code, errors.COORDINATOR_NOT_AVAILABLE.text)
  return { key: groupId, nodeId: node.nodeId, host: node.host, port: node.port, errorCode: errors.NONE.code, errorMessage: null }
}

function failed(key: string, errorCode: number, errorMessage: string): Row {
  return { key, nodeId: -1, host: '', port: -1, errorCode, errorMessage }
}
