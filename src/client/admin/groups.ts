// Consumer groups: list, describe, delete. Stateless.

import { errors } from '../../model/errors.js'
import type { TopicPartition } from '../../model/topic-partition.js'
import type { MessageOf } from '../../protocol/schema/dsl.js'
import { apis } from '../../protocol/schema/index.js'
import type { Broker } from '../cluster/broker.js'
import type { Cluster } from '../cluster/cluster.js'
import { decodeAssignment } from '../consumer/group-protocol.js'
import { ClientError, KafkaError } from '../errors.js'
import { type AdminCallOptions, errorsOf, onCoordinator, throwFirst, timeoutOf } from './requests.js'

export interface GroupListing {
  readonly groupId: string
  readonly protocolType: string
  /** Empty when the broker is too old to say. */
  readonly state: string
  readonly type: string
}

export interface GroupDescription {
  readonly groupId: string
  readonly state: string
  /** `classic` or `consumer` (KIP-848). */
  readonly type: string
  readonly protocolType: string
  readonly assignor: string
  /** Node id of the coordinator. */
  readonly coordinator: number
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly clientId: string
    readonly clientHost: string
    readonly assignment: readonly TopicPartition[]
  }[]
}

export async function listGroups(
  cluster: Cluster,
  options: AdminCallOptions & { readonly states?: readonly string[]; readonly types?: readonly string[] },
): Promise<GroupListing[]> {
  const { states = [], types = [] } = options
  const limits =
    types.length > 0
      ? { minVersion: 5, purpose: 'a filter by type' }
      : states.length > 0
        ? { minVersion: 4, purpose: 'a filter by state' }
        : {}
  return cluster.retry('listGroups', timeoutOf(cluster, options), async () => {
    if (cluster.metadata.brokers.size === 0) await cluster.refresh()
    const answers = await Promise.all(
      [...cluster.metadata.brokers.keys()].map((node) =>
        cluster.requireBroker(node).request(apis.listGroups, { statesFilter: states, typesFilter: types }, limits),
      ),
    )
    const byId = new Map<string, GroupListing>()
    for (const answer of answers) {
      if (answer.errorCode !== 0) throw new KafkaError(answer.errorCode, 'listGroups')
      for (const { groupId, protocolType, groupState, groupType } of answer.groups)
        byId.set(groupId, { groupId, protocolType, state: groupState, type: groupType })
    }
    return [...byId.values()].sort((a, b) => (a.groupId < b.groupId ? -1 : 1))
  })
}

export function describeGroup(cluster: Cluster, groupId: string, options: AdminCallOptions): Promise<GroupDescription> {
  const what = `describe group '${groupId}'`
  return onCoordinator(cluster, groupId, what, options, async (broker) => {
    const answer = await broker.request(apis.describeGroups, { groups: [groupId] })
    const group = answer.groups[0]
    if (!group) throw new KafkaError(-1, what)
    // Version 6 says that there is none; older ones call it dead. It may be a group of the newer protocol.
    const missing = group.errorCode === errors.GROUP_ID_NOT_FOUND.code || (group.errorCode === 0 && group.groupState === 'Dead')
    if (missing) return describeConsumerGroup(broker, groupId)
    if (group.errorCode !== 0) throw new KafkaError(group.errorCode, what, group.errorMessage)
    return classicDescription(group, broker.address.nodeId)
  })
}

function classicDescription(
  group: MessageOf<typeof apis.describeGroups.response>['groups'][number],
  coordinator: number,
): GroupDescription {
  return {
    groupId: group.groupId,
    state: group.groupState,
    type: 'classic',
    protocolType: group.protocolType,
    assignor: group.protocolData,
    coordinator,
    members: group.members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      assignment: group.protocolType === 'consumer' ? decodeAssignment(member.memberAssignment) : [],
    })),
  }
}

async function describeConsumerGroup(broker: Broker, groupId: string): Promise<GroupDescription> {
  const notFound = new KafkaError(errors.GROUP_ID_NOT_FOUND.code, `describe group '${groupId}'`)
  const answer = await broker.request(apis.consumerGroupDescribe, { groupIds: [groupId] }).catch((error: unknown) => {
    if (error instanceof ClientError && error.code === 'ERR_MILLRACE_UNSUPPORTED') throw notFound
    throw error
  })
  const group = answer.groups[0]
  if (!group || group.errorCode !== 0)
    throw group && group.errorCode !== errors.GROUP_ID_NOT_FOUND.code
      ? new KafkaError(group.errorCode, `describe group '${groupId}'`)
      : notFound
  return {
    groupId,
    state: group.groupState,
    type: 'consumer',
    protocolType: 'consumer',
    assignor: group.assignorName,
    coordinator: broker.address.nodeId,
    members: group.members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      assignment: member.assignment.topicPartitions.flatMap(({ topicName, partitions }) =>
        partitions.map((partition) => ({ topic: topicName, partition })),
      ),
    })),
  }
}

export async function deleteGroups(cluster: Cluster, groupIds: readonly string[], options: AdminCallOptions): Promise<void> {
  for (const groupId of groupIds) {
    await onCoordinator(cluster, groupId, `delete group '${groupId}'`, options, async (broker) => {
      const answer = await broker.request(apis.deleteGroups, { groupsNames: [groupId] })
      throwFirst(errorsOf(answer.results, ({ groupId: id }) => `delete group '${id}'`))
    })
  }
}
