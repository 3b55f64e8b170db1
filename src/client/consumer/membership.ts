// A member of a classic consumer group: when it joins, what refusals mean, how it leaves. The round of joining, the partitions it holds, its
// heartbeats and its offsets have files of their own. Rebalances happen only inside `ensureActive`, which `poll` calls, so that a
// partition never moves while the user works on records of it.
//
// unjoined → (join) → stable → (coordinator says so, subscription or metadata changed) → unjoined …
// Losing the membership (removed, fenced, polled too late) gives the partitions up as lost.

import { errors } from '../../model/errors.js'
import type { TopicPartition } from '../../model/topic-partition.js'
import { apis } from '../../protocol/schema/index.js'
import { backoffMs, sleep, within } from '../cluster/backoff.js'
import type { Cluster } from '../cluster/cluster.js'
import { ClientError, isClientError, KafkaError } from '../errors.js'
import type { Assignor, RebalanceProtocol } from './assignors/assignor.js'
import { GroupCoordinator, meansAnotherCoordinator } from './group-coordinator.js'
import { type Committer, GroupOffsets } from './group-offsets.js'
import { Heartbeats } from './heartbeats.js'
import { JoinRound } from './join-round.js'
import { OwnedPartitions } from './owned-partitions.js'
import type { ConsumerOptions } from './settings.js'
import type { SubscriptionState } from './subscription.js'

export interface MembershipHooks {
  /** Before partitions are given up: commit what is consumed. */
  beforeRevoke(): Promise<void>
  /** `poll` should look: a rebalance is due, or the member was lost. */
  wake(): void
}

interface Joining {
  outcome:
    | { readonly kind: 'joined'; readonly assignment: TopicPartition[] }
    | { readonly kind: 'failed'; readonly error: Error }
    | undefined
  settled: Promise<void>
}

/** After these the member is out. */
const LOST: ReadonlySet<number> = new Set([errors.UNKNOWN_MEMBER_ID.code, errors.ILLEGAL_GENERATION.code])

export class GroupMembership implements Committer {
  readonly #cluster: Cluster
  readonly #partitions: OwnedPartitions
  readonly #options: ConsumerOptions
  readonly #hooks: MembershipHooks
  readonly groupId: string
  /** What the group has committed. */
  readonly offsets: GroupOffsets
  readonly #coordinator: GroupCoordinator
  readonly #heartbeats: Heartbeats
  /** Who this member is. */
  readonly #round: JoinRound
  #joined = false
  #rejoin = true
  /** The member was removed while it held partitions. */
  #lost = false
  #joinFailures = 0
  #joining: Joining | undefined
  #status: string | undefined
  #fatal: Error | undefined
  #closed = false

  constructor(groupId: string, cluster: Cluster, subscription: SubscriptionState, options: ConsumerOptions, hooks: MembershipHooks) {
    this.groupId = groupId
    this.#cluster = cluster
    this.#partitions = new OwnedPartitions(cluster, subscription, options.listener, () => hooks.beforeRevoke())
    this.#round = new JoinRound(groupId, cluster, subscription, options, (code, what) => this.groupError(code, what))
    this.#options = options
    this.#hooks = hooks
    this.#coordinator = new GroupCoordinator(cluster, groupId)
    this.offsets = new GroupOffsets(cluster, this.#coordinator, this)
    this.#heartbeats = new Heartbeats(cluster, this.#coordinator, options, {
      member: () => (this.#joined && !this.#closed ? { memberId: this.#round.memberId, generationId: this.#round.generation } : undefined),
      isJoining: () => this.#joining !== undefined && !this.#joining.outcome,
      rebalance: () => {
        this.requestRejoin('the coordinator asked for it')
        this.#hooks.wake()
      },
      refused: (code) => this.#memberError(code, 'heartbeat'),
      pollTooLate: () => this.#pollTooLate(),
    })
  }

  get memberId(): string {
    return this.#round.memberId
  }

  get generationId(): number {
    return this.#round.generation
  }

  get groupInstanceId(): string | null {
    return this.#options.groupInstanceId
  }

  get protocolName(): string | null {
    return this.#round.protocolName
  }

  /** What the group is busy with; undefined for a stable member. */
  get status(): string | undefined {
    if (this.#joined && !this.#rejoin) return undefined
    return this.#coordinator.isLooking ? `looking for the coordinator of group '${this.groupId}'` : this.#status
  }

  get needsRejoin(): boolean {
    return this.#rejoin || this.#lost || !this.#joined || this.#joining !== undefined
  }

  /** The user polls: the member is alive in the sense of `maxPollIntervalMs`. `busy` while inside a poll. */
  polled(busy: boolean): void {
    this.#heartbeats.polled(busy)
  }

  /** The subscription or the partitions of its topics changed. */
  requestRejoin(reason: string): void {
    this.#rejoin = true
    this.#status = `rebalancing: ${reason}`
  }

  /**
   * Joins if that is due. True when the member is stable afterwards; false when `deadline` (monotonic) came first: the
   * group is still at it, and a later call goes on from there. What the user is told happens in here only.
   */
  async ensureActive(deadline: number): Promise<boolean> {
    if (this.#fatal) throw this.#fatal
    this.#checkMetadata()
    const protocol = commonProtocol(this.#options.assignors)
    while (this.needsRejoin) {
      if (this.#closed) return false
      if (!this.#joining) {
        await this.#giveUpBeforeJoin(protocol)
        this.#startJoin(protocol)
      }
      const joining = this.#joining!
      if (!joining.outcome) await within(this.#cluster.env, joining.settled, deadline - this.#now())
      if (!joining.outcome || this.#closed) return false
      this.#joining = undefined
      if (joining.outcome.kind === 'joined') {
        this.#joinFailures = 0
        await this.#install(joining.outcome.assignment, protocol).catch((error: unknown) => {
          this.requestRejoin('a rebalance callback failed')
          throw error
        })
      } else await this.#joinFailed(joining.outcome.error, deadline)
      if (this.#now() >= deadline) break
    }
    return !this.needsRejoin
  }

  /** JoinGroup and SyncGroup run in the background: the coordinator answers when the slowest member has joined. */
  #startJoin(protocol: RebalanceProtocol): void {
    const joining: Joining = { outcome: undefined, settled: Promise.resolve() }
    joining.settled = this.#joinAndSync(protocol).then(
      (assignment) => {
        joining.outcome = { kind: 'joined', assignment }
        this.#hooks.wake()
      },
      (error: unknown) => {
        this.#rejoin = true
        joining.outcome = { kind: 'failed', error: error as Error }
        this.#hooks.wake()
      },
    )
    this.#joining = joining
  }

  async #joinFailed(error: Error, deadline: number): Promise<void> {
    this.#status = `waiting for the coordinator of group '${this.groupId}': ${error.message}`
    if (error instanceof KafkaError) {
      const { code } = error
      if (code === errors.MEMBER_ID_REQUIRED.code || code === errors.REBALANCE_IN_PROGRESS.code) return
      if (LOST.has(code)) {
        if (code === errors.UNKNOWN_MEMBER_ID.code) this.#round.memberId = ''
        this.#round.generation = -1
        this.#lost = !this.#partitions.isEmpty
        return
      }
      if (meansAnotherCoordinator(code)) this.#coordinator.forget()
      else if (!error.retriable) throw error
    } else if (isClientError(error) && error.retriable) this.#coordinator.forget()
    else throw error
    this.#joinFailures++
    const { retryBackoffMs, retryBackoffMaxMs } = this.#cluster.options
    const pause = backoffMs(this.#joinFailures, retryBackoffMs, retryBackoffMaxMs, this.#cluster.env.random.next())
    await sleep(this.#cluster.env, Math.min(pause, Math.max(0, deadline - this.#now())))
  }

  /** The leader watches its topics: new ones that match, new partitions. Members: their own subscription. */
  #checkMetadata(): void {
    if (!this.#joined || this.#rejoin) return
    const reason = this.#round.outdated()
    if (reason !== null) this.requestRejoin(reason)
  }

  async #joinAndSync(protocol: RebalanceProtocol): Promise<TopicPartition[]> {
    // A connection of its own: the coordinator holds the answer back, and commits must not queue behind it.
    const coordinator = this.#cluster.sideConnection(await this.#coordinator.find(), 'join')
    this.#rejoin = false
    this.#status = `joining group '${this.groupId}'`
    const assignment = await this.#round.run(coordinator, protocol)
    this.#joined = true
    this.#heartbeats.start()
    return assignment
  }

  /** Lost members give everything up at once, whatever the protocol. */
  async #giveUpBeforeJoin(protocol: RebalanceProtocol): Promise<void> {
    if (!this.#lost) return this.#partitions.giveUpBeforeJoin(protocol)
    this.#lost = false
    await this.#partitions.lose()
  }

  async #install(assignment: readonly TopicPartition[], protocol: RebalanceProtocol): Promise<void> {
    // What was given up can be handed to others only in another round.
    if ((await this.#partitions.install(assignment)) && protocol === 'cooperative') this.requestRejoin('partitions were revoked')
    this.#hooks.wake()
  }

  // ---- the end of a membership

  /** Answers that end the membership. */
  #memberError(code: number, what: string): void {
    if (LOST.has(code)) {
      if (code === errors.UNKNOWN_MEMBER_ID.code) this.#round.memberId = ''
      this.#loseMembership(`${what}: ${new KafkaError(code, `group '${this.groupId}'`).message}`)
    } else if (code === errors.FENCED_INSTANCE_ID.code) {
      this.#fatal = new KafkaError(code, `${what} of group '${this.groupId}' as '${this.#options.groupInstanceId}'`)
      this.#loseMembership(this.#fatal.message)
    }
  }

  #loseMembership(why: string): void {
    this.#round.generation = -1
    this.#joined = false
    this.#lost = !this.#partitions.isEmpty
    this.#heartbeats.stop()
    this.requestRejoin(why)
    this.#hooks.wake()
  }

  #pollTooLate(): void {
    const { maxPollIntervalMs } = this.#options
    this.#cluster.env.logger.warn({ group: this.groupId, maxPollIntervalMs }, 'the consumer was not polled in time and leaves its group')
    const memberId = this.#round.memberId
    this.#loseMembership(`not polled for ${maxPollIntervalMs} ms (maxPollIntervalMs)`)
    if (this.#options.groupInstanceId === null) {
      this.#round.memberId = ''
      this.#sendLeave(memberId, 'max.poll.interval.ms passed').catch(() => {})
    }
  }

  // ---- leaving

  /** Gives partitions up and, unless the member is static, leaves the group at once. */
  async leave(reason: string): Promise<void> {
    if (this.#joined && !this.#lost) await this.#partitions.giveUpAll()
    this.#heartbeats.stop()
    const memberId = this.#round.memberId
    this.#joined = false
    this.#round.generation = -1
    this.#rejoin = true
    this.#lost = false
    if (memberId === '' || this.#options.groupInstanceId !== null) return
    this.#round.memberId = ''
    await this.#sendLeave(memberId, reason).catch(() => {})
  }

  async #sendLeave(memberId: string, reason: string): Promise<void> {
    const coordinator = this.#coordinator.broker
    if (!coordinator) return
    const member = { memberId, groupInstanceId: null, reason }
    await coordinator.request(apis.leaveGroup, { groupId: this.groupId, memberId, members: [member] }, { timeoutMs: 3000 })
  }

  close(): void {
    this.#closed = true
    this.#heartbeats.stop()
  }

  // ---- what its offsets and requests meet

  commitRefused(code: number): void {
    this.#memberError(code, 'commit')
    if (code === errors.REBALANCE_IN_PROGRESS.code) this.requestRejoin('a commit met a rebalance')
  }

  groupError(code: number, what: string): KafkaError {
    const error = new KafkaError(code, what)
    if (code === errors.FENCED_INSTANCE_ID.code) this.#fatal = error
    return error
  }

  #now(): number {
    return this.#cluster.env.clock.monotonic()
  }
}

/** Cooperative only if every assignor is. */
function commonProtocol(assignors: readonly Assignor[]): RebalanceProtocol {
  return assignors.every(({ protocol }) => protocol === 'cooperative') ? 'cooperative' : 'eager'
}

export function requireGroup(membership: GroupMembership | undefined, what: string): GroupMembership {
  if (!membership) throw new ClientError('ERR_MILLRACE_STATE', `${what} needs a groupId in the consumer's settings`)
  return membership
}
