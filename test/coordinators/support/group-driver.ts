// Drives a GroupCoordinatorShard as clients would, in virtual time.

import { emptyImage } from '../../../src/controller/image.js'
import { DEFAULT_GROUP_CONFIG } from '../../../src/coordinators/group/group-config.js'
import type { GroupConfig } from '../../../src/coordinators/group/group-config.js'
import { GroupCoordinatorShard } from '../../../src/coordinators/group/group-shard.js'
import type { JoinGroupArgument, JoinGroupResult, SyncGroupResult } from '../../../src/coordinators/group/messages.js'
import { ZERO_UUID } from '../../../src/model/topic-partition.js'
import { SimEnv } from '../../support/sim-env.js'
import { MemoryPartition } from './memory-partition.js'

/** A promise whose state can be asked. */
export interface Watched<T> {
  readonly promise: Promise<T>
  value: T | undefined
  settled: boolean
}

export function watch<T>(promise: Promise<T>): Watched<T> {
  const watched: Watched<T> = { promise, value: undefined, settled: false }
  void promise.then((value) => {
    watched.value = value
    watched.settled = true
  })
  return watched
}

/** ConsumerProtocolSubscription version 0. */
export function subscription(...topics: string[]): Uint8Array {
  const parts = [Buffer.from([0, 0]), int32(topics.length)]
  for (const topic of topics) parts.push(Buffer.from([0, topic.length]), Buffer.from(topic))
  return Buffer.concat([...parts, int32(-1)])
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

export function text(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString()
}

export class GroupDriver {
  readonly env: SimEnv
  readonly partition: MemoryPartition
  config: GroupConfig
  shard: GroupCoordinatorShard
  groupId = 'g'

  constructor(config: Partial<GroupConfig> = {}, env = new SimEnv(), partition = new MemoryPartition()) {
    this.env = env
    this.partition = partition
    this.config = { ...DEFAULT_GROUP_CONFIG, ...config }
    this.shard = this.createShard()
  }

  static async start(config: Partial<GroupConfig> = {}, env?: SimEnv): Promise<GroupDriver> {
    const driver = new GroupDriver(config, env)
    await driver.shard.load()
    return driver
  }

  createShard(): GroupCoordinatorShard {
    const image = emptyImage('test')
    return new GroupCoordinatorShard({ partition: 0, writer: this.partition, env: this.env, config: () => this.config, image: () => image })
  }

  /** Another shard over the same log, as after a restart. */
  async restart(): Promise<void> {
    this.shard.resign()
    this.shard = this.createShard()
    await this.shard.load()
  }

  joinArgument(overrides: Partial<JoinGroupArgument> = {}): JoinGroupArgument {
    return {
      groupId: this.groupId,
      memberId: '',
      groupInstanceId: null,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 60_000,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: subscription('t') }],
      reason: null,
      clientId: 'client',
      clientHost: '/127.0.0.1',
      requireKnownMemberId: false,
      supportsSkippingAssignment: true,
      ...overrides,
    }
  }

  join(overrides: Partial<JoinGroupArgument> = {}): Watched<JoinGroupResult> {
    return watch(this.shard.joinGroup(this.joinArgument(overrides)))
  }

  sync(
    memberId: string,
    generationId: number,
    assignments: Record<string, string> = {},
    groupInstanceId: string | null = null,
  ): Watched<SyncGroupResult> {
    const list = Object.entries(assignments).map(([id, value]) => ({ memberId: id, assignment: new Uint8Array(Buffer.from(value)) }))
    const argument = {
      groupId: this.groupId,
      generationId,
      memberId,
      groupInstanceId,
      protocolType: null,
      protocolName: null,
      assignments: list,
    }
    return watch(this.shard.syncGroup(argument))
  }

  async heartbeat(memberId: string, generationId: number, groupInstanceId: string | null = null): Promise<number> {
    return (await this.shard.heartbeat({ groupId: this.groupId, generationId, memberId, groupInstanceId })).errorCode
  }

  async leave(...members: { memberId: string; groupInstanceId?: string | null }[]): Promise<number[]> {
    const list = members.map(({ memberId, groupInstanceId }) => ({ memberId, groupInstanceId: groupInstanceId ?? null, reason: null }))
    const result = await this.shard.leaveGroup({ groupId: this.groupId, members: list })
    return result.members.map((member) => member.errorCode)
  }

  /** One partition's outcome, or the group's. */
  async commit(
    topic: string,
    partition: number,
    offset: number,
    options: Partial<{
      memberId: string
      generationId: number
      metadata: string | null
      retentionTimeMs: number
      groupInstanceId: string | null
      groupIdNotFoundKnown: boolean
      leaderEpoch: number
    }> = {},
  ): Promise<number> {
    const result = await this.shard.commitOffsets({
      groupId: this.groupId,
      generationId: options.generationId ?? -1,
      memberId: options.memberId ?? '',
      groupInstanceId: options.groupInstanceId ?? null,
      retentionTimeMs: options.retentionTimeMs ?? -1,
      groupIdNotFoundKnown: options.groupIdNotFoundKnown ?? false,
      topics: [
        {
          topic,
          topicId: ZERO_UUID,
          partitions: [{ partition, offset, leaderEpoch: options.leaderEpoch ?? -1, metadata: options.metadata ?? null }],
        },
      ],
    })
    return result.errorCode || result.topics[0]!.partitions[0]!.errorCode
  }

  async committed(topic: string, partition: number): Promise<number> {
    const result = await this.shard.fetchOffsets({
      groupId: this.groupId,
      topics: [{ topic, partitions: [partition] }],
      requireStable: false,
    })
    return result.topics[0]!.partitions[0]!.offset
  }

  async describe(): Promise<{ state: string; members: string[]; errorCode: number }> {
    const group = (await this.shard.describeGroups({ groupIds: [this.groupId] })).groups[0]!
    return { state: group.groupState, members: group.members.map((member) => member.memberId), errorCode: group.errorCode }
  }

  /** A stable group of that many members; the first is the leader. Assignments are `a0`, `a1`, … */
  async stableGroup(
    count: number,
    overrides: (index: number) => Partial<JoinGroupArgument> = () => ({}),
  ): Promise<{ ids: string[]; generationId: number }> {
    const joins = Array.from({ length: count }, (_, index) => this.join(overrides(index)))
    await this.env.advance(2 * this.config.initialRebalanceDelayMs)
    const ids = joins.map((join) => join.value!.memberId)
    const generationId = joins[0]!.value!.generationId
    await this.syncAll(ids, generationId)
    return { ids, generationId }
  }

  /** The first id is the leader's. */
  async syncAll(ids: readonly string[], generationId: number): Promise<SyncGroupResult[]> {
    const assignments = Object.fromEntries(ids.map((id, index) => [id, `a${index}`]))
    const syncs = ids.map((id, index) => this.sync(id, generationId, index === 0 ? assignments : {}))
    await this.env.settle()
    return syncs.map((sync) => sync.value!)
  }
}
