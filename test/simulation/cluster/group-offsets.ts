// Commits and fetches of one group's offsets, as a client library does them: one commit at a time, each with a number of its own that grows. What becomes of
// them goes to the ledger.

import type { GroupAnswer, Unreached } from '../../../src/broker/handlers/group-requests.js'
import { errors } from '../../../src/model/errors.js'
import { ZERO_UUID } from '../../../src/model/topic-partition.js'
import type { Counts, SimWorld } from '../support/world.js'
import type { CommitAttempt, GroupLedger } from './group-ledger.js'
import type { GroupLink } from './group-link.js'
import type { Ledger } from './ledger.js'

export const REQUEST_TIMEOUT_MS = 500
/** Topic of the offsets. */
const TOPIC = 't'

/** Nothing was written. */
const REFUSED: ReadonlySet<number> = new Set([
  errors.ILLEGAL_GENERATION.code,
  errors.UNKNOWN_MEMBER_ID.code,
  errors.FENCED_INSTANCE_ID.code,
  errors.REBALANCE_IN_PROGRESS.code,
  errors.COORDINATOR_LOAD_IN_PROGRESS.code,
])
/** It may have been, or not. */
const UNCERTAIN: ReadonlySet<number> = new Set([errors.NOT_COORDINATOR.code, errors.COORDINATOR_NOT_AVAILABLE.code])

export interface GroupOffsetsOptions {
  readonly world: SimWorld
  readonly counts: Counts
  readonly ledger: GroupLedger
  readonly invariants: Ledger
  readonly link: GroupLink
  readonly groupId: string
  log(line: string): void
}

/** Whom a commit is said to come from. Generation -1: from nobody in particular. */
export interface Committer {
  readonly memberId: string
  readonly instance: string | null
  readonly generation: number
}

export class GroupOffsets {
  readonly #options: GroupOffsetsOptions
  inFlight = 0
  /** By partition, when a commit was last acknowledged. */
  readonly acknowledgedAt = new Map<number, number>()

  constructor(options: GroupOffsetsOptions) {
    this.#options = options
  }

  /** `done` hears the error; undefined: none is known. */
  commit(partition: number, by: Committer, done: (errorCode: number | undefined) => void): void {
    const { world, ledger, link, groupId } = this.#options
    const { memberId, instance, generation } = by
    const attempt = ledger.commits(groupId, partition, generation, memberId, world.now)
    const { offset, metadata } = attempt
    const argument = {
      groupId,
      generationId: generation,
      memberId,
      groupInstanceId: instance,
      retentionTimeMs: -1,
      groupIdNotFoundKnown: false,
      topics: [{ topic: TOPIC, topicId: ZERO_UUID, partitions: [{ partition, offset, leaderEpoch: -1, metadata }] }],
    }
    this.inFlight++
    link.call('commitOffsets', argument, REQUEST_TIMEOUT_MS, (answer, once) => {
      this.inFlight--
      done(this.#answered(attempt, answer, once))
    })
  }

  #answered(attempt: CommitAttempt, answer: GroupAnswer<'commitOffsets'> | Unreached | undefined, once: boolean): number | undefined {
    const { world, counts, ledger, invariants, log } = this.#options
    if (answer === undefined) return undefined
    const errorCode = answer.unreached || answer.errorCode !== 0 ? answer.errorCode : answer.topics[0]!.partitions[0]!.errorCode
    if (errorCode === errors.NONE.code) {
      counts.add('commit acknowledged')
      ledger.acknowledged(attempt, once, world.now)
      this.acknowledgedAt.set(attempt.partition, world.now)
      return errorCode
    }
    log(`${attempt.metadata}: error ${errorCode}`)
    counts.add(`commit error ${errorCode}`)
    if (REFUSED.has(errorCode)) {
      counts.add('commit refused')
      ledger.refused(attempt, once)
    } else if (!UNCERTAIN.has(errorCode)) invariants.broken(`${attempt.metadata} got error ${errorCode}`)
    return errorCode
  }

  fetch(partition: number): void {
    this.#fetch(partition, () => undefined)
  }

  /** Until it is answered: with `last`, the last in the log. */
  fetchLast(partition: number, last: CommitAttempt | undefined, done: () => void): void {
    const { world, invariants, groupId } = this.#options
    this.#fetch(partition, (metadata) => {
      if (metadata === undefined) return void world.after(50, () => this.fetchLast(partition, last, done))
      if (metadata !== (last?.metadata ?? ''))
        invariants.broken(`${groupId}/${partition}: the coordinator answers with ${metadata}, and the last in the log is ${last?.metadata}`)
      done()
    })
  }

  /** `heard` undefined: no answer, or an error. */
  #fetch(partition: number, heard: (metadata: string | undefined) => void): void {
    const { world, counts, ledger, link, groupId } = this.#options
    const floor = ledger.floor(groupId, partition)
    const argument = { groupId, topics: [{ topic: TOPIC, partitions: [partition] }], requireStable: false }
    link.call('fetchOffsets', argument, REQUEST_TIMEOUT_MS, (answer) => {
      if (answer === undefined || answer.unreached || answer.errorCode !== errors.NONE.code) return heard(undefined)
      counts.add('offset fetched')
      const { offset, metadata } = answer.topics[0]!.partitions[0]!
      ledger.fetched(groupId, partition, floor, offset, metadata, world.now)
      heard(metadata)
    })
  }
}
