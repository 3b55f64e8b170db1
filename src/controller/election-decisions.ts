// Decides ElectLeaders. Pure.

import { errors } from '../model/errors.js'
import type { Outcome } from './controller-api.js'
import type { PartitionImage } from './image.js'
import { changePartition, type PartitionContext } from './partition-change.js'
import { refuse, type Decision } from './topic-decisions.js'

export const ElectionType = { preferred: 0, unclean: 1 } as const

export function decideElection(
  state: PartitionImage | undefined,
  name: string,
  type: number,
  context: PartitionContext,
): Decision<PartitionImage> {
  if (!state) return refuse(errors.UNKNOWN_TOPIC_OR_PARTITION.code, `No such partition as ${name}`)
  const hasOne = type === ElectionType.preferred ? state.leader === state.replicas[0] : state.leader !== -1
  if (hasOne) return refuse(errors.ELECTION_NOT_NEEDED.code, null)
  const election = type === ElectionType.preferred ? 'preferred' : 'unclean'
  const next = changePartition(state, { election }, context)
  if (next !== state && next.leader !== -1) return { kind: 'planned', plan: next }
  const missing = type === ElectionType.preferred ? errors.PREFERRED_LEADER_NOT_AVAILABLE : errors.ELIGIBLE_LEADERS_NOT_AVAILABLE
  return refuse(missing.code, null)
}

export function electionOutcome(decision: Decision<PartitionImage>): Outcome {
  return decision.kind === 'refused' ? decision.refusal : { errorCode: errors.NONE.code, errorMessage: null }
}
