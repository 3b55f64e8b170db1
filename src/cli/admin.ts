// The commands' admin port over `millrace/client`'s Admin. Loaded only by commands that need it.

// From their own files: the index would also load producer and consumer, 20 ms that a small command does not need.
import { Admin } from '../client/admin/admin.js'
import { KafkaError } from '../client/errors.js'
import type { AdminSettings } from '../client/index.js'
import type { AdminPort, GroupDescription } from './client.js'

const GROUP_ID_NOT_FOUND = 69

export function openAdmin(settings: AdminSettings): { admin: AdminPort; close(): Promise<void> } {
  const client = new Admin(settings)
  return { admin: portOver(client), close: () => client.close() }
}

function portOver(client: Admin): AdminPort {
  return {
    describeCluster: () => client.describeCluster(),
    listTopics: async () => (await client.listTopics({ includeInternal: true })).map(({ name }) => name),
    describeTopics: async (names) =>
      names.length === 0 ? [] : (await client.describeTopics(names)).map((topic) => ({ ...topic, internal: topic.isInternal })),
    createTopic: async ({ name, partitions, replicas, configs }, validateOnly) => {
      const counts = { ...(partitions > 0 ? { partitions } : {}), ...(replicas > 0 ? { replicationFactor: replicas } : {}) }
      const [made] = await client.createTopics([{ name, ...counts, configs: Object.fromEntries(configs) }], { validateOnly })
      return { partitions: made && made.partitions > 0 ? made.partitions : null }
    },
    deleteTopics: (names) => client.deleteTopics(names),
    createPartitions: (topic, count) => client.createPartitions({ [topic]: count }),
    listOffsets: async (partitions, at) =>
      partitions.length === 0 ? [] : client.listOffsets(partitions.map(({ topic, partition }) => ({ topic, partition, at }))),
    listGroups: () => client.listGroups(),
    describeGroup: (groupId) => describeGroup(client, groupId),
    groupOffsets: (groupId) => client.groupOffsets(groupId),
    setGroupOffsets: (groupId, offsets) => client.alterGroupOffsets(groupId, offsets),
    deleteGroups: (groupIds) => client.deleteGroups(groupIds),
    describeConfigs: async (kind, name) => (await client.describeConfigs([{ type: kind, name }]))[0]?.entries ?? [],
    alterConfigs: (kind, name, changes, validateOnly) => {
      const own = changes.map(({ name: setting, operation, value }) => ({ name: setting, operation, ...(value === null ? {} : { value }) }))
      return client.incrementalAlterConfigs([{ type: kind, name, changes: own }], { validateOnly })
    },
    describeQuorum: (timeoutMs) => client.describeQuorum({ timeoutMs }),
    reassign: (wanted) => client.alterPartitionReassignments(wanted),
    reassignments: () => client.listPartitionReassignments(),
    electLeaders: (kind, partitions) => client.electLeaders(kind, partitions),
    unregisterBroker: (brokerId) => client.unregisterBroker(brokerId),
  }
}

/** A group nobody knows is `Dead`, as Kafka's own tools show it; the caller decides whether that is an error. */
async function describeGroup(client: Admin, groupId: string): Promise<GroupDescription> {
  try {
    const [group] = await client.describeGroups([groupId])
    const members = group!.members.map(({ memberId, clientId, clientHost, assignment }) => ({
      memberId,
      clientId,
      host: clientHost.replace(/^\//, ''),
      partitions: assignment,
    }))
    return { groupId, state: group!.state, protocol: group!.assignor, members }
  } catch (error) {
    if (error instanceof KafkaError && error.code === GROUP_ID_NOT_FOUND) return { groupId, state: 'Dead', protocol: '', members: [] }
    throw error
  }
}
