// A member of a consumer group, as a client library is one: it joins, takes its part (or gives all theirs, as the group's leader), heartbeats, commits what it
// owns, and joins again when it is told to. While the network is bad it also leaves, starts anew, falls silent for longer than its session, and commits
// with what it was in an earlier generation, which nobody may take.
//
//   joining ──generation──▶ syncing ──assignment──▶ owning ──(rebalance, leave, restart, silence)──▶ joining

import type { GroupAnswer, GroupArgument, Unreached } from '../../../src/broker/handlers/group-requests.js'
import { errors } from '../../../src/model/errors.js'
import { LOOK_ELSEWHERE } from './group-link.js'
import { type Committer, GroupOffsets, type GroupOffsetsOptions, REQUEST_TIMEOUT_MS } from './group-offsets.js'

const SESSION_MS = 500
const REBALANCE_MS = 400
/** A rebalance, and the way there and back. */
const JOIN_TIMEOUT_MS = 1200
const PROTOCOL = 'range'

/** The answer says that this member is none any more. */
const NOBODY: ReadonlySet<number> = new Set([errors.UNKNOWN_MEMBER_ID.code, errors.FENCED_INSTANCE_ID.code])
const JOIN_AGAIN: ReadonlySet<number> = new Set([errors.REBALANCE_IN_PROGRESS.code, errors.ILLEGAL_GENERATION.code])

export interface GroupMemberOptions extends GroupOffsetsOptions {
  readonly name: string
  /** A static member. */
  readonly instance: string | null
  /** Partitions to be shared out. */
  readonly partitions: number
  /** It may do what a sound member does not. */
  isBad(): boolean
}

export class GroupMember {
  readonly offsets: GroupOffsets
  readonly #options: GroupMemberOptions
  #memberId = ''
  #generation = -1
  #owned: readonly number[] = []
  /** Raised when what is under way does not count any more. */
  #turn = 0
  #stopped = false

  constructor(options: GroupMemberOptions) {
    this.#options = options
    this.offsets = new GroupOffsets(options)
    this.#joinSoon()
    this.#misbehaveSoon()
  }

  get owned(): readonly number[] {
    return this.#owned
  }

  stop(): void {
    this.#stopped = true
    this.#turn++
  }

  /** After a while, unless what was under way has ended. */
  #later(low: number, high: number, task: () => void): void {
    const { world } = this.#options
    const turn = this.#turn
    world.after(world.between(low, high), () => {
      if (turn === this.#turn && !this.#stopped) task()
    })
  }

  /** Hears an answer only while its question still stands. */
  #hear<T>(heard: (answer: T) => void): (answer: T) => void {
    const turn = this.#turn
    return (answer) => {
      if (turn === this.#turn && !this.#stopped) heard(answer)
    }
  }

  // --- joining

  #joinSoon(): void {
    this.#turn++
    this.#commitAsBefore()
    this.#owned = []
    this.#later(5, 40, () => this.#join())
  }

  /** As nobody that the group knows. */
  #startAnew(): void {
    this.#commitAsBefore()
    this.#owned = []
    this.#memberId = ''
    this.#joinSoon()
  }

  /** Whatever the answer, this goes on: with what was granted, or from the start. `newest`: the group's newest generation when it was asked. */
  #ask<M extends 'joinGroup' | 'syncGroup'>(
    method: M,
    argument: GroupArgument<M>,
    granted: (answer: GroupAnswer<M>, newest: number) => void,
  ): void {
    const { link, ledger, groupId } = this.#options
    const newest = ledger.newestGeneration(groupId)
    const heard = this.#hear<GroupAnswer<M> | Unreached | undefined>((answer) => {
      if (answer === undefined || answer.unreached) return this.#joinSoon()
      if (answer.errorCode === errors.NONE.code) return granted(answer, newest)
      if ('memberId' in answer && answer.errorCode === errors.MEMBER_ID_REQUIRED.code) this.#memberId = answer.memberId
      this.#failed(answer.errorCode)
    })
    link.call(method, argument, JOIN_TIMEOUT_MS, heard)
  }

  #join(): void {
    const { groupId, name, instance } = this.#options
    const argument = {
      groupId,
      memberId: this.#memberId,
      groupInstanceId: instance,
      sessionTimeoutMs: SESSION_MS,
      rebalanceTimeoutMs: REBALANCE_MS,
      protocolType: 'consumer',
      protocols: [{ name: PROTOCOL, metadata: new Uint8Array(0) }],
      reason: null,
      clientId: name,
      clientHost: '/sim',
      requireKnownMemberId: true,
      supportsSkippingAssignment: true,
    }
    this.#ask('joinGroup', argument, (answer, newest) => this.#joined(answer, newest))
  }

  #joined(answer: GroupAnswer<'joinGroup'>, newest: number): void {
    const { ledger, groupId, counts } = this.#options
    const { memberId, generationId, leader, members, skipAssignment } = answer
    ledger.joined(groupId, generationId, memberId, newest)
    this.#memberId = memberId
    this.#generation = generationId
    const leads = leader === memberId && !skipAssignment
    if (leads) counts.add('group rebalance')
    this.#sync(leads ? members.map((member) => member.memberId) : [])
  }

  #sync(members: readonly string[]): void {
    const { groupId, instance, partitions } = this.#options
    const all = Array.from({ length: partitions }, (_, partition) => partition)
    const assignments = members.map((memberId, i) => ({
      memberId,
      assignment: Buffer.from(all.filter((partition) => partition % members.length === i)),
    }))
    const argument = {
      groupId,
      generationId: this.#generation,
      memberId: this.#memberId,
      groupInstanceId: instance,
      protocolType: 'consumer',
      protocolName: PROTOCOL,
      assignments,
    }
    this.#ask('syncGroup', argument, (answer, newest) => this.#assigned(answer, newest))
  }

  #assigned(answer: GroupAnswer<'syncGroup'>, newest: number): void {
    const { ledger, groupId, instance } = this.#options
    this.#owned = [...answer.assignment]
    ledger.assigned(groupId, this.#generation, instance ?? this.#memberId, this.#owned, newest)
    this.#options.log(`${this.#memberId} has ${this.#owned.join()} in generation ${this.#generation}`)
    this.#turn++
    for (const partition of this.#owned) this.offsets.fetch(partition)
    this.#heartbeatSoon()
    this.#commitSoon()
  }

  #failed(errorCode: number): void {
    const { counts, instance, invariants, log } = this.#options
    counts.add(`member error ${errorCode}`)
    log(`${this.#memberId} of generation ${this.#generation} got error ${errorCode}`)
    if (errorCode === errors.FENCED_INSTANCE_ID.code && instance !== null) counts.add('static member fenced')
    if (NOBODY.has(errorCode)) return this.#startAnew()
    const isKnown = JOIN_AGAIN.has(errorCode) || LOOK_ELSEWHERE.has(errorCode) || errorCode === errors.MEMBER_ID_REQUIRED.code
    if (!isKnown) invariants.broken(`member ${this.#memberId} got error ${errorCode}`)
    this.#joinSoon()
  }

  // --- owning

  #heartbeatSoon(): void {
    const { link, groupId, instance } = this.#options
    this.#later(40, 120, () => {
      const argument = { groupId, generationId: this.#generation, memberId: this.#memberId, groupInstanceId: instance }
      link.call(
        'heartbeat',
        argument,
        REQUEST_TIMEOUT_MS,
        this.#hear((answer) => {
          if (answer === undefined || answer.errorCode === errors.NONE.code || LOOK_ELSEWHERE.has(answer.errorCode))
            return this.#heartbeatSoon()
          this.#failed(answer.errorCode)
        }),
      )
    })
  }

  #commitSoon(): void {
    const { world } = this.#options
    this.#later(10, 90, () => {
      if (this.#owned.length === 0) return this.#commitSoon()
      const partition = world.pick(this.#owned)
      if (world.chance(0.15)) this.offsets.fetch(partition)
      const answered = this.#hear<number | undefined>((errorCode) => {
        if (errorCode !== undefined && (NOBODY.has(errorCode) || JOIN_AGAIN.has(errorCode))) return this.#failed(errorCode)
        this.#commitSoon()
      })
      this.offsets.commit(partition, this.#identity, answered)
    })
  }

  get #identity(): Committer {
    return { memberId: this.#memberId, instance: this.#options.instance, generation: this.#generation }
  }

  // --- what a sound member does not do

  /** With what it is about to lose, a little later. */
  #commitAsBefore(): void {
    const { world, counts, isBad } = this.#options
    const [partition] = this.#owned
    if (partition === undefined || !isBad() || !world.chance(0.3)) return
    const before = this.#identity
    world.after(world.between(20, 700), () => {
      if (this.#stopped) return
      counts.add('commit as before')
      this.offsets.commit(partition, before, (errorCode) => {
        if (errorCode === errors.ILLEGAL_GENERATION.code) counts.add('commit of an old generation refused')
        if (errorCode === errors.FENCED_INSTANCE_ID.code) counts.add('commit of a fenced instance refused')
        if (errorCode === errors.UNKNOWN_MEMBER_ID.code) counts.add('commit of a former member refused')
      })
    })
  }

  #misbehaveSoon(): void {
    const { world, isBad } = this.#options
    world.after(world.between(400, 1600), () => {
      if (this.#stopped) return
      this.#misbehaveSoon()
      if (isBad()) this.#misbehave(world.random.next())
    })
  }

  #misbehave(share: number): void {
    const { counts, instance, log, name } = this.#options
    if (share < 0.35) {
      counts.add('member falls silent')
      log(`${name} falls silent`)
      this.#turn++
      // It believes what it last knew, and goes on with that.
      this.#later(SESSION_MS * 0.7, SESSION_MS * 2, () => {
        if (this.#owned.length === 0) return this.#joinSoon()
        this.#heartbeatSoon()
        this.#commitSoon()
      })
    } else if (instance !== null) {
      counts.add('static member restarts')
      log(`${name} starts anew`)
      this.#startAnew()
    } else if (share < 0.7) this.#leave()
  }

  #leave(): void {
    const { link, groupId, counts, log, name } = this.#options
    if (this.#memberId === '') return
    counts.add('member leaves')
    log(`${name} leaves`)
    const members = [{ memberId: this.#memberId, groupInstanceId: null, reason: null }]
    link.call('leaveGroup', { groupId, members }, REQUEST_TIMEOUT_MS, () => undefined)
    this.#startAnew()
  }
}
