// What a caller gets when no controller answered in time: Kafka's NOT_CONTROLLER in the place where each call has its errors, so that a client is
// told to look again and keeps its connection. Calls whose results have no place for an error reject still. Pure.

import { errors } from '../model/errors.js'
import { ZERO_UUID, type Uuid } from '../model/topic-partition.js'
import type { ControllerMethod, Outcome } from './controller-api.js'

const OUTCOME: Outcome = { errorCode: errors.NOT_CONTROLLER.code, errorMessage: 'no controller answered in time' }

type Named = { readonly name: string | null; readonly topicId?: Uuid | null }
type Placed = { readonly topic: string; readonly partition: number }

export function isNotControllerError(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === 'ERR_MILLRACE_NOT_CONTROLLER'
}

/** Undefined: the call has no place for it. */
export function noControllerResult(method: ControllerMethod, args: readonly unknown[]): unknown {
  switch (method) {
    case 'createTopics':
      return (args[0] as Named[]).map(({ name }) => ({ ...OUTCOME, name, topicId: ZERO_UUID, numPartitions: -1, replicationFactor: -1 }))
    case 'deleteTopics':
      return (args[0] as Named[]).map(({ name, topicId }) => ({ ...OUTCOME, name, topicId: topicId ?? ZERO_UUID }))
    case 'createPartitions':
      return (args[0] as Named[]).map(({ name }) => ({ ...OUTCOME, name }))
    case 'alterConfigs':
      return (args[0] as unknown[]).map(() => OUTCOME)
    case 'alterPartitionReassignments':
      return (args[0] as Placed[]).map(({ topic, partition }) => ({ ...OUTCOME, topic, partition }))
    case 'electLeaders':
      return (args[1] as Placed[] | null)?.map(({ topic, partition }) => ({ ...OUTCOME, topic, partition }))
    case 'alterPartition':
      return { errorCode: OUTCOME.errorCode, partitions: [] }
    case 'controlledShutdown':
      return { ...OUTCOME, remaining: 0 }
    case 'reportReplicas':
    case 'unregisterBroker':
    case 'updateFeatures':
      return OUTCOME
    case 'allocateProducerIds':
    case 'listPartitionReassignments':
      return undefined
  }
}
