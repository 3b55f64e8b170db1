// One group of the classic protocol as it lives in memory: members, generation, who waits for what. It decides nothing about
// when to rebalance (classic-rebalance.ts) and knows no time, timers or storage.
//
//   Empty ──join──▶ PreparingRebalance ──all joined──▶ CompletingRebalance ──leader's sync──▶ Stable
//     ▲                  ▲      │ none left                  │ join, leave, expiry               │
//     └──────────────────┼──────┘                            │                                   │
//                        └───────────────────────────────────┴───────────────────────────────────┘
//   Dead: being deleted, from Empty only.

import type { JoinGroupResult, NamedProtocol, SyncGroupResult } from './messages.js'
import { CONSUMER_PROTOCOL_TYPE, subscribedTopicsOf } from './consumer-subscription.js'
import type { StoredGroup } from './record-format.js'

export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead'

export interface GroupMember {
  memberId: string
  readonly groupInstanceId: string | null
  clientId: string
  clientHost: string
  rebalanceTimeoutMs: number
  sessionTimeoutMs: number
  /** In the member's order of preference. */
  protocols: readonly NamedProtocol[]
  assignment: Uint8Array
  /** Answers the parked JoinGroup / SyncGroup. */
  awaitingJoin: ((result: JoinGroupResult) => void) | null
  awaitingSync: ((result: SyncGroupResult) => void) | null
  /** Waits for its first generation: it gets a fixed join timeout instead of its session's. */
  isNew: boolean
}

const NO_BYTES = new Uint8Array(0)

export class ClassicGroup {
  readonly groupId: string
  state: GroupState = 'Empty'
  previousState: GroupState = 'Dead'
  stateTimestamp: number
  generationId = 0
  protocolType: string | null = null
  protocolName: string | null = null
  leaderId: string | null = null
  readonly members = new Map<string, GroupMember>()
  /** instance id → member id */
  readonly staticMembers = new Map<string, string>()
  /** Told an id by MEMBER_ID_REQUIRED and not back yet. */
  readonly pendingJoinMembers = new Set<string>()
  /** Of this generation, and not synced yet. */
  readonly pendingSyncMembers = new Set<string>()
  /** A member came while the first rebalance was being delayed. */
  newMemberAdded = false
  /** Null: not known (another protocol type, or unreadable subscriptions). */
  subscribedTopics: ReadonlySet<string> | null = null

  constructor(groupId: string, now: number) {
    this.groupId = groupId
    this.stateTimestamp = now
  }

  static fromStored(groupId: string, stored: StoredGroup, now: number): ClassicGroup {
    const group = new ClassicGroup(groupId, now)
    group.generationId = stored.generationId
    group.protocolType = stored.protocolType === '' ? null : stored.protocolType
    group.protocolName = stored.protocolName
    group.leaderId = stored.leader
    for (const member of stored.members) {
      group.members.set(member.memberId, {
        ...member,
        protocols: stored.protocolName === null ? [] : [{ name: stored.protocolName, metadata: member.subscription }],
        awaitingJoin: null,
        awaitingSync: null,
        isNew: false,
      })
      if (member.groupInstanceId !== null) group.staticMembers.set(member.groupInstanceId, member.memberId)
    }
    group.state = stored.members.length === 0 ? 'Empty' : 'Stable'
    group.previousState = group.state
    if (stored.currentStateTimestamp !== -1) group.stateTimestamp = stored.currentStateTimestamp
    group.updateSubscribedTopics()
    return group
  }

  /** What a GroupMetadataValue of this generation says; `assignments` are not yet in the members. */
  toStored(assignments: ReadonlyMap<string, Uint8Array>): StoredGroup {
    return {
      protocolType: this.protocolType ?? '',
      generationId: this.generationId,
      protocolName: this.protocolName,
      leader: this.leaderId,
      currentStateTimestamp: this.stateTimestamp,
      members: [...this.members.values()].map((member) => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        rebalanceTimeoutMs: member.rebalanceTimeoutMs,
        sessionTimeoutMs: member.sessionTimeoutMs,
        subscription: this.metadataOf(member),
        assignment: assignments.get(member.memberId) ?? NO_BYTES,
      })),
    }
  }

  transition(state: GroupState, now: number): void {
    this.previousState = this.state
    this.state = state
    this.stateTimestamp = now
  }

  get canRebalance(): boolean {
    return this.state === 'Empty' || this.state === 'CompletingRebalance' || this.state === 'Stable'
  }

  get awaitingJoinCount(): number {
    let count = 0
    for (const member of this.members.values()) if (member.awaitingJoin !== null) count++
    return count
  }

  get allMembersJoined(): boolean {
    return this.pendingJoinMembers.size === 0 && this.awaitingJoinCount === this.members.size
  }

  /** The rebalance waits as long as its slowest member may take. */
  get rebalanceTimeoutMs(): number {
    let timeout = 0
    for (const member of this.members.values()) timeout = Math.max(timeout, member.rebalanceTimeoutMs)
    return timeout
  }

  get currentAssignments(): Map<string, Uint8Array> {
    return new Map([...this.members.values()].map((member) => [member.memberId, member.assignment]))
  }

  isLeader(memberId: string): boolean {
    return this.leaderId === memberId
  }

  add(member: GroupMember): void {
    if (this.members.size === 0) this.protocolType = null
    this.members.set(member.memberId, member)
    if (member.groupInstanceId !== null) this.staticMembers.set(member.groupInstanceId, member.memberId)
    this.leaderId ??= member.memberId
    this.pendingJoinMembers.delete(member.memberId)
  }

  remove(memberId: string): void {
    const member = this.members.get(memberId)
    this.members.delete(memberId)
    if (member?.groupInstanceId != null) this.staticMembers.delete(member.groupInstanceId)
    if (this.leaderId === memberId) this.leaderId = this.members.keys().next().value ?? null
    this.pendingJoinMembers.delete(memberId)
    this.pendingSyncMembers.delete(memberId)
  }

  /** Gives the static member a new id; its place as leader and its order stay. */
  renameMember(oldId: string, newId: string): GroupMember {
    const entries = [...this.members]
    const member = this.members.get(oldId)!
    member.memberId = newId
    this.members.clear()
    for (const [id, each] of entries) this.members.set(id === oldId ? newId : id, each)
    if (this.leaderId === oldId) this.leaderId = newId
    if (this.pendingSyncMembers.delete(oldId)) this.pendingSyncMembers.add(newId)
    this.staticMembers.set(member.groupInstanceId!, newId)
    return member
  }

  /** True when a member with these protocols would fit. An empty group takes any non-empty set. */
  supportsProtocols(protocolType: string, protocols: readonly NamedProtocol[]): boolean {
    if (this.state === 'Empty') return protocolType !== '' && protocols.length > 0
    if (this.protocolType !== protocolType) return false
    // All have gone in a rebalance that waits for somebody who was told an id: nobody is there to disagree with.
    if (this.members.size === 0) return protocols.length > 0
    const candidates = this.candidateProtocols()
    return protocols.some((protocol) => candidates.has(protocol.name))
  }

  /** The protocol with most votes among those that every member supports; each member votes for the first it prefers. */
  selectProtocol(): string {
    const candidates = this.candidateProtocols()
    const votes = new Map<string, number>()
    for (const member of this.members.values()) {
      const choice = member.protocols.find((protocol) => candidates.has(protocol.name))
      if (choice !== undefined) votes.set(choice.name, (votes.get(choice.name) ?? 0) + 1)
    }
    let selected = ''
    for (const [name, count] of votes) if (count > (votes.get(selected) ?? 0)) selected = name
    return selected
  }

  metadataOf(member: GroupMember): Uint8Array {
    return member.protocols.find((protocol) => protocol.name === this.protocolName)?.metadata ?? NO_BYTES
  }

  /** The list that only the leader is sent. */
  joinedMembers(): JoinGroupResult['members'] {
    return [...this.members.values()].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      metadata: this.metadataOf(member),
    }))
  }

  /** True when the leader is back, or another member that is takes its place. */
  electJoinedLeader(): boolean {
    if (this.leaderId === null) return false
    if (this.members.get(this.leaderId)?.awaitingJoin != null) return true
    for (const member of this.members.values()) {
      if (member.awaitingJoin === null) continue
      this.leaderId = member.memberId
      return true
    }
    return false
  }

  startNextGeneration(now: number): void {
    this.generationId++
    this.protocolName = this.members.size === 0 ? null : this.selectProtocol()
    this.updateSubscribedTopics()
    this.pendingSyncMembers.clear()
    this.transition(this.members.size === 0 ? 'Empty' : 'CompletingRebalance', now)
  }

  updateSubscribedTopics(): void {
    this.subscribedTopics = this.readSubscriptions()
  }

  private readSubscriptions(): Set<string> | null {
    if (this.protocolType !== CONSUMER_PROTOCOL_TYPE) return null
    const all = new Set<string>()
    for (const member of this.members.values()) {
      const topics = subscribedTopicsOf(this.metadataOf(member))
      if (topics === undefined) return null
      for (const topic of topics) all.add(topic)
    }
    return all
  }

  private candidateProtocols(): Set<string> {
    const counts = new Map<string, number>()
    for (const member of this.members.values()) {
      for (const name of new Set(member.protocols.map((protocol) => protocol.name))) counts.set(name, (counts.get(name) ?? 0) + 1)
    }
    return new Set([...counts].filter(([, count]) => count === this.members.size).map(([name]) => name))
  }
}

/** True when a rejoin brings nothing new: same names, order and bytes. */
export function sameProtocols(one: readonly NamedProtocol[], other: readonly NamedProtocol[]): boolean {
  return (
    one.length === other.length &&
    one.every((protocol, index) => protocol.name === other[index]!.name && Buffer.compare(protocol.metadata, other[index]!.metadata) === 0)
  )
}
