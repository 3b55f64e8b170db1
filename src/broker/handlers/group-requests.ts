// What the handlers of group APIs share: the way to the shard that owns a group. Every failure on the way is an outcome.

import { errors } from '../../model/errors.js'
import { GROUP_METADATA_TOPIC } from '../../model/topic-partition.js'
import type { GroupCoordinatorMethods } from '../../coordinators/group/messages.js'
import type { HandlerContext } from './handler.js'
import type { BrokerServices } from './services.js'

type Methods = GroupCoordinatorMethods
export type GroupArgument<M extends keyof Methods> = Parameters<Methods[M]>[0]
/** A shard's answer as the caller sees it: never `unreached`. */
export type GroupAnswer<M extends keyof Methods> = Awaited<ReturnType<Methods[M]>> & { readonly unreached?: undefined }

/** What of a node these need. */
export interface GroupDoors extends Pick<HandlerContext, 'env' | 'nodeId' | 'image'> {
  readonly services: Pick<BrokerServices, 'groupPartitionFor' | 'callGroupCoordinator'>
}

/** The call never reached a shard. */
export interface Unreached {
  readonly errorCode: number
  readonly unreached: true
}

/** Calls the group's coordinator; the caller looks at `unreached` before anything else. */
export async function callGroup<M extends keyof Methods>(
  broker: GroupDoors,
  groupId: string,
  method: M,
  argument: GroupArgument<M>,
): Promise<GroupAnswer<M> | Unreached> {
  const partition = await broker.services.groupPartitionFor(groupId)
  if (partition < 0) return { errorCode: errors.COORDINATOR_NOT_AVAILABLE.code, unreached: true }
  return callPartition(broker, partition, method, argument)
}

export async function callPartition<M extends keyof Methods>(
  broker: GroupDoors,
  partition: number,
  method: M,
  argument: GroupArgument<M>,
): Promise<GroupAnswer<M> | Unreached> {
  if (leaderOf(broker, partition) !== broker.nodeId || isFenced(broker)) return { errorCode: errors.NOT_COORDINATOR.code, unreached: true }
  try {
    return (await broker.services.callGroupCoordinator(partition, method, argument)) as GroupAnswer<M>
  } catch (cause) {
    // Its worker died, say: the client looks the coordinator up again and retries.
    broker.env.logger.warn({ err: cause, partition, method }, 'a call of the group coordinator failed')
    return { errorCode: errors.NOT_COORDINATOR.code, unreached: true }
  }
}

/** The partitions of __consumer_offsets that this node leads, i.e. whose groups it coordinates. */
export function ledGroupPartitions(broker: GroupDoors): number[] {
  const topic = broker.image().topics.get(GROUP_METADATA_TOPIC)
  return topic === undefined ? [] : topic.partitions.filter((each) => each.leader === broker.nodeId).map((each) => each.partition)
}

/** It is not certain any more that this node leads what its image says. */
function isFenced(broker: GroupDoors): boolean {
  return broker.image().brokers.get(broker.nodeId)?.fenced === true
}

function leaderOf(broker: GroupDoors, partition: number): number | undefined {
  return broker.image().topics.get(GROUP_METADATA_TOPIC)?.partitions[partition]?.leader
}

/** A copy with a buffer of its own: what is posted to another thread must not drag a socket's buffer along. */
export function ownBytes(view: Uint8Array): Uint8Array {
  return new Uint8Array(view)
}

/** READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS and ALTER_CONFIGS as bits: everything a group knows, as nothing is forbidden yet. */
export const ALL_GROUP_OPERATIONS = (1 << 3) | (1 << 6) | (1 << 8) | (1 << 10) | (1 << 11)
/** Not asked for. */
export const NO_AUTHORIZED_OPERATIONS = -2_147_483_648
