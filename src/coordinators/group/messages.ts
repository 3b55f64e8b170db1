// What crosses the mailbox between a request handler and the shard that owns the group: plain, structured-clonable data.
// Bytes in arguments are copies of their own (a view would drag its whole buffer along).

import type { Uuid } from '../../model/topic-partition.js'

export interface NamedProtocol {
  readonly name: string
  readonly metadata: Uint8Array
}

export interface JoinGroupArgument {
  readonly groupId: string
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly protocolType: string
  readonly protocols: readonly NamedProtocol[]
  readonly reason: string | null
  readonly clientId: string
  readonly clientHost: string
  /** JoinGroup v4+: a new dynamic member is first told its id. */
  readonly requireKnownMemberId: boolean
  /** JoinGroup v9+. */
  readonly supportsSkippingAssignment: boolean
}

export interface JoinGroupResult {
  readonly errorCode: number
  readonly generationId: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly leader: string
  readonly skipAssignment: boolean
  readonly memberId: string
  readonly members: readonly { readonly memberId: string; readonly groupInstanceId: string | null; readonly metadata: Uint8Array }[]
}

export interface SyncGroupArgument {
  readonly groupId: string
  readonly generationId: number
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[]
}

export interface SyncGroupResult {
  readonly errorCode: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly assignment: Uint8Array
}

export interface HeartbeatArgument {
  readonly groupId: string
  readonly generationId: number
  readonly memberId: string
  readonly groupInstanceId: string | null
}

export interface HeartbeatResult {
  readonly errorCode: number
}

export interface LeaveGroupArgument {
  readonly groupId: string
  readonly members: readonly { readonly memberId: string; readonly groupInstanceId: string | null; readonly reason: string | null }[]
}

export interface LeaveGroupResult {
  readonly errorCode: number
  readonly members: readonly { readonly memberId: string; readonly groupInstanceId: string | null; readonly errorCode: number }[]
}

export interface OffsetToCommit {
  readonly partition: number
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string | null
}

export interface CommitOffsetsArgument {
  readonly groupId: string
  readonly generationId: number
  readonly memberId: string
  readonly groupInstanceId: string | null
  /** -1: the node's retention applies (OffsetCommit v2-v4 can name one). */
  readonly retentionTimeMs: number
  /** OffsetCommit v9+: an unknown group is GROUP_ID_NOT_FOUND rather than ILLEGAL_GENERATION. */
  readonly groupIdNotFoundKnown: boolean
  readonly topics: readonly { readonly topic: string; readonly topicId: Uuid; readonly partitions: readonly OffsetToCommit[] }[]
}

export interface CommitOffsetsResult {
  /** Not 0: it holds for every partition and `topics` is empty. */
  readonly errorCode: number
  readonly topics: readonly {
    readonly topic: string
    readonly partitions: readonly { readonly partition: number; readonly errorCode: number }[]
  }[]
}

export interface FetchOffsetsArgument {
  readonly groupId: string
  /** Null: every topic the group has offsets of. */
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[] | null
  readonly requireStable: boolean
}

export interface FetchedOffset {
  readonly partition: number
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
  readonly errorCode: number
}

export interface FetchOffsetsResult {
  readonly errorCode: number
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly FetchedOffset[] }[]
}

export interface DeleteOffsetsArgument {
  readonly groupId: string
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[]
}

export interface DeleteOffsetsResult {
  readonly errorCode: number
  readonly topics: readonly {
    readonly topic: string
    readonly partitions: readonly { readonly partition: number; readonly errorCode: number }[]
  }[]
}

export interface ListGroupsArgument {
  /** Empty: any. */
  readonly statesFilter: readonly string[]
  readonly typesFilter: readonly string[]
}

export interface ListGroupsResult {
  readonly errorCode: number
  readonly groups: readonly {
    readonly groupId: string
    readonly protocolType: string
    readonly groupState: string
    readonly groupType: string
  }[]
}

export interface DescribeGroupsArgument {
  readonly groupIds: readonly string[]
}

export interface DescribedGroup {
  readonly errorCode: number
  readonly groupId: string
  readonly groupState: string
  readonly protocolType: string
  readonly protocolData: string
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly clientId: string
    readonly clientHost: string
    readonly memberMetadata: Uint8Array
    readonly memberAssignment: Uint8Array
  }[]
}

export interface DescribeGroupsResult {
  readonly errorCode: number
  readonly groups: readonly DescribedGroup[]
}

export interface DeleteGroupsArgument {
  readonly groupIds: readonly string[]
}

export interface DeleteGroupsResult {
  readonly errorCode: number
  readonly results: readonly { readonly groupId: string; readonly errorCode: number }[]
}

/** The methods of a GroupCoordinatorShard that handlers call by name. */
export interface GroupCoordinatorMethods {
  joinGroup(argument: JoinGroupArgument): Promise<JoinGroupResult>
  syncGroup(argument: SyncGroupArgument): Promise<SyncGroupResult>
  heartbeat(argument: HeartbeatArgument): Promise<HeartbeatResult>
  leaveGroup(argument: LeaveGroupArgument): Promise<LeaveGroupResult>
  commitOffsets(argument: CommitOffsetsArgument): Promise<CommitOffsetsResult>
  fetchOffsets(argument: FetchOffsetsArgument): Promise<FetchOffsetsResult>
  deleteOffsets(argument: DeleteOffsetsArgument): Promise<DeleteOffsetsResult>
  listGroups(argument: ListGroupsArgument): Promise<ListGroupsResult>
  describeGroups(argument: DescribeGroupsArgument): Promise<DescribeGroupsResult>
  deleteGroups(argument: DeleteGroupsArgument): Promise<DeleteGroupsResult>
}
