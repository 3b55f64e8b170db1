// Decides AlterPartitionReassignments and lists what is under way. Pure. A partition that is being moved has the new
// replicas first, then those that will leave; `partition-change.ts` ends it when all added ones are in sync, and enough of those that stay. Throttles
// are settings of topics and brokers, which replication reads.

import { errors } from '../model/errors.js'
import type { ReassignmentSpec } from './controller-api.js'
import type { MetadataImage, PartitionImage, TopicImage } from './image.js'
import { changePartition, leastInSync, type PartitionContext } from './partition-change.js'
import { refuse, type Decision } from './topic-decisions.js'

export function isReassigning(state: PartitionImage): boolean {
  return state.addingReplicas.length + state.removingReplicas.length > 0
}

export function decideReassignment(
  image: MetadataImage,
  topic: TopicImage | undefined,
  spec: ReassignmentSpec,
  allowReplicationFactorChange: boolean,
  context: PartitionContext,
): Decision<PartitionImage> {
  if (!topic) return refuse(errors.UNKNOWN_TOPIC_OR_PARTITION.code, `Unable to find a topic named ${spec.topic}.`)
  const state = topic.partitions[spec.partition]
  if (!state) return refuse(errors.UNKNOWN_TOPIC_OR_PARTITION.code, `Unable to find partition ${spec.topic}:${spec.partition}.`)
  if (spec.replicas === null) return decideCancel(spec, state, context)
  const problem = targetProblem(image, spec.replicas)
  if (problem) return refuse(errors.INVALID_REPLICA_ASSIGNMENT.code, problem)
  const before = replicasBefore(state)
  if (!allowReplicationFactorChange && before.length !== spec.replicas.length) {
    return refuse(
      errors.INVALID_REPLICATION_FACTOR.code,
      `The replication factor is changed from ${before.length} to ${spec.replicas.length}, which this request does not allow.`,
    )
  }
  return { kind: 'planned', plan: changePartition(state, targetOf(state, spec.replicas), context) }
}

function targetOf(state: PartitionImage, wanted: readonly number[]) {
  const removing = state.replicas.filter((id) => !wanted.includes(id))
  // One that an unfinished reassignment was adding is still to be caught up.
  const adding = wanted.filter((id) => !state.replicas.includes(id) || (state.addingReplicas.includes(id) && !state.isr.includes(id)))
  return { replicas: [...wanted, ...removing], adding, removing }
}

function replicasBefore(state: PartitionImage): readonly number[] {
  return state.replicas.filter((id) => !state.addingReplicas.includes(id))
}

/** Takes out what was being added, keeps what was being removed. */
function decideCancel(spec: ReassignmentSpec, state: PartitionImage, context: PartitionContext): Decision<PartitionImage> {
  if (!isReassigning(state)) return refuse(errors.NO_REASSIGNMENT_IN_PROGRESS.code, null)
  const replicas = replicasBefore(state)
  const isr = state.isr.filter((id) => replicas.includes(id))
  const impossible = `Unable to revert the assignment of ${spec.topic}-${spec.partition}: none of its former replicas is in sync, and unclean.leader.election.enable is off.`
  if (replicas.length === 0 || (isr.length === 0 && !context.uncleanElection)) {
    return refuse(errors.INVALID_REPLICA_ASSIGNMENT.code, impossible)
  }
  // As long as too few of them are in sync the others are to go, and have not gone.
  if (isr.length > 0 && isr.length < leastInSync(context, replicas)) {
    const removing = state.replicas.filter((id) => !replicas.includes(id))
    return { kind: 'planned', plan: changePartition(state, { replicas: [...replicas, ...removing], adding: [], removing }, context) }
  }
  const kept = isr.length > 0 ? isr : [replicas.find((id) => context.isActive(id)) ?? replicas[0]!]
  return { kind: 'planned', plan: changePartition(state, { replicas, isr: kept, adding: [], removing: [] }, context) }
}

function targetProblem(image: MetadataImage, replicas: readonly number[]): string | null {
  if (replicas.length === 0) return 'The manual partition assignment includes an empty replica list.'
  for (const [i, id] of replicas.entries()) {
    if (replicas.indexOf(id) !== i) return `The manual partition assignment includes the broker ${id} more than once.`
    if (!image.brokers.has(id)) return `The manual partition assignment includes broker ${id}, but no such broker is registered.`
  }
  return null
}
