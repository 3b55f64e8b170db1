// Decides AlterPartition: a leader asks for another ISR. Kafka's checks in Kafka's order, with its codes. Pure.

import { errors } from '../model/errors.js'
import type { AlterPartitionItem } from './controller-api.js'
import type { MetadataImage, PartitionImage } from './image.js'
import { changePartition, type PartitionContext } from './partition-change.js'

export interface AlterPartitionDecision {
  readonly errorCode: number
  /** The state afterwards; the one there is when refused; null: no such partition. */
  readonly state: PartitionImage | null
}

/** `state` as the changes before this one in the same batch left it. */
export function decideAlterPartition(
  image: MetadataImage,
  leader: number,
  item: AlterPartitionItem,
  state: PartitionImage | undefined,
  context: PartitionContext,
): AlterPartitionDecision {
  if (!state) return { errorCode: errors.UNKNOWN_TOPIC_OR_PARTITION.code, state: null }
  const refused = refusalOf(image, leader, item, state)
  if (refused !== 0) return { errorCode: refused, state }
  const isr = item.newIsr.map(({ brokerId }) => brokerId)
  const next = changePartition(state, { isr, recovering: item.recovering ?? false }, context)
  // It ended a reassignment that takes the leader away.
  if (next.leader !== leader) return { errorCode: errors.NEW_LEADER_ELECTED.code, state: next }
  return { errorCode: errors.NONE.code, state: next }
}

function refusalOf(image: MetadataImage, leader: number, item: AlterPartitionItem, state: PartitionImage): number {
  // The leader knows more than this controller: it is a controller no more.
  if (item.leaderEpoch > state.leaderEpoch || item.partitionEpoch > state.partitionEpoch) return errors.NOT_CONTROLLER.code
  if (item.leaderEpoch < state.leaderEpoch) return errors.FENCED_LEADER_EPOCH.code
  if (leader !== state.leader) return errors.INVALID_REQUEST.code
  if (item.partitionEpoch < state.partitionEpoch) return errors.INVALID_UPDATE_VERSION.code
  const ids = item.newIsr.map(({ brokerId }) => brokerId)
  const isIsr = ids.every((id) => state.replicas.includes(id)) && new Set(ids).size === ids.length && ids.includes(leader)
  if (!isIsr) return errors.INVALID_REQUEST.code
  if (item.recovering === true && (!state.recovering || ids.length > 1)) return errors.INVALID_REQUEST.code
  const ineligible = item.newIsr.some(({ brokerId, brokerEpoch }) => !isEligible(image, leader, state, brokerId, brokerEpoch))
  return ineligible ? errors.INELIGIBLE_REPLICA.code : 0
}

/** The epoch says which life of the follower caught up: a later one may have lost what that one had (KIP-903). */
function isEligible(image: MetadataImage, leader: number, state: PartitionImage, id: number, epoch: bigint): boolean {
  const broker = image.brokers.get(id)
  if (!broker || (epoch !== -1n && broker.epoch !== epoch) || state.offline.includes(id)) return false
  return !broker.fenced && (!broker.shuttingDown || id === leader)
}
