// What group clients were promised and what they saw. An offset that was committed stays: nobody is shown an older one than was there before he asked. Of a
// generation whose assignment was given to anybody: it is one, no partition of it has two owners, and nothing of an earlier one is taken any more.
//
// What is not promised: a generation that nobody was given an assignment of may come again with other members, because only the assignment is written (with the
// group's record), and a coordinator that takes over knows what is written. Such a generation owns nothing; commits of it were taken only while the group
// prepared the next one. And a commit without an answer, or sent twice, may take effect at any time, also after later ones.

import { decodeRecords } from '../../../src/coordinators/runtime/record-batches.js'
import { readGroupRecord, type StoredGroup } from '../../../src/coordinators/group/record-format.js'
import type { Ledger } from './ledger.js'

export interface CommitAttempt {
  readonly groupId: string
  readonly partition: number
  readonly offset: number
  readonly generation: number
  /** Says who committed what; no other attempt has it. */
  readonly metadata: string
  readonly sentAt: number
  /** What the group's members had been given an assignment of when it was sent. */
  readonly newestGeneration: number
  /** From then on it has certainly had its whole effect; Infinity: nobody knows. */
  end: number
  acknowledged: boolean
  refused: boolean
}

interface Generation {
  readonly owners: Map<number, string>
  members: string | undefined
}

export class GroupLedger {
  readonly #ledger: Ledger
  /** By group and partition. */
  readonly #newest = new Map<string, CommitAttempt>()
  readonly #offsets = new Map<string, number>()
  readonly #attempts = new Map<string, CommitAttempt>()
  readonly #generations = new Map<string, Map<number, Generation>>()
  readonly #newestGeneration = new Map<string, number>()

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  // --- commits

  commits(groupId: string, partition: number, generation: number, memberId: string, now: number): CommitAttempt {
    const key = `${groupId}/${partition}`
    const offset = (this.#offsets.get(key) ?? 0) + 1
    this.#offsets.set(key, offset)
    const attempt: CommitAttempt = {
      groupId,
      partition,
      offset,
      generation,
      metadata: `${key} ${offset} generation ${generation} of ${memberId}`,
      sentAt: now,
      newestGeneration: this.newestGeneration(groupId),
      end: Infinity,
      acknowledged: false,
      refused: false,
    }
    this.#attempts.set(attempt.metadata, attempt)
    return attempt
  }

  /** `once`: no other copy of it is on its way. */
  acknowledged(attempt: CommitAttempt, once: boolean, now: number): void {
    attempt.acknowledged = true
    if (attempt.generation >= 0 && attempt.generation < attempt.newestGeneration)
      this.#ledger.broken(
        `${attempt.metadata} was accepted; members had been given generation ${attempt.newestGeneration} before it was sent`,
      )
    this.#settled(attempt, once, now)
  }

  /** With an answer that says that nothing was written. */
  refused(attempt: CommitAttempt, once: boolean): void {
    attempt.refused = once
  }

  #settled(attempt: CommitAttempt, once: boolean, now: number): void {
    if (once) attempt.end = Math.min(attempt.end, now)
    const key = `${attempt.groupId}/${attempt.partition}`
    const newest = this.#newest.get(key)
    if (!newest || attempt.sentAt > newest.sentAt) this.#newest.set(key, attempt)
  }

  // --- fetches

  /** The newest of those that are known to have had their effect: what is asked for from now on is not older. */
  floor(groupId: string, partition: number): CommitAttempt | undefined {
    return this.#newest.get(`${groupId}/${partition}`)
  }

  /** A fetch was answered with this offset, -1: none. `floor`: as it was when the fetch was sent. */
  fetched(groupId: string, partition: number, floor: CommitAttempt | undefined, offset: number, metadata: string, now: number): void {
    const what = `${groupId}/${partition}: fetched ${offset === -1 ? 'nothing' : metadata}`
    if (offset === -1) {
      if (floor) this.#ledger.broken(`${what}, after ${floor.metadata} was there`)
      return
    }
    const attempt = this.#attempts.get(metadata)
    if (!attempt || attempt.offset !== offset || attempt.groupId !== groupId || attempt.partition !== partition)
      return this.#ledger.broken(`${what} (offset ${offset}), which nobody committed`)
    if (attempt.refused) return this.#ledger.broken(`${what}, which was refused`)
    if (floor && attempt.end < floor.sentAt) return this.#ledger.broken(`${what}, after ${floor.metadata} was there`)
    // Whoever is shown it knows that it was there.
    this.#settled(attempt, false, now)
  }

  // --- generations

  newestGeneration(groupId: string): number {
    return this.#newestGeneration.get(groupId) ?? -1
  }

  /** A member joined `generation`; `newest` is what members had been given an assignment of when it asked. */
  joined(groupId: string, generation: number, memberId: string, newest: number): void {
    if (generation < newest)
      this.#ledger.broken(`${memberId} joined generation ${generation} of ${groupId}; members had been given ${newest} before it asked`)
  }

  /** A member was given its part. A static member goes by its instance, which may have a new member id. */
  assigned(groupId: string, generation: number, owner: string, partitions: readonly number[], newest: number): void {
    if (generation < newest)
      this.#ledger.broken(`${owner} was given partitions of generation ${generation} of ${groupId}, after others of ${newest}`)
    const { owners } = this.#generation(groupId, generation)
    for (const partition of partitions) {
      const known = owners.get(partition) ?? owner
      owners.set(partition, owner)
      if (known !== owner) this.#ledger.broken(`${groupId} generation ${generation}: partition ${partition} is ${known}'s and ${owner}'s`)
    }
    if (generation > this.newestGeneration(groupId)) this.#newestGeneration.set(groupId, generation)
  }

  #generation(groupId: string, generation: number): Generation {
    let generations = this.#generations.get(groupId)
    if (!generations) this.#generations.set(groupId, (generations = new Map()))
    let known = generations.get(generation)
    if (!known) generations.set(generation, (known = { owners: new Map(), members: undefined }))
    return known
  }

  // --- the log

  /** The whole log of one partition of __consumer_offsets, which nothing was compacted in. Returns the last commit of each group and partition. */
  judge(log: Uint8Array, isOfLog: (groupId: string) => boolean): Map<string, CommitAttempt> {
    const seen = new Map<string, { last: CommitAttempt; newestSent: CommitAttempt }>()
    const generations = new Map<string, number>()
    const found = new Set<CommitAttempt>()
    for (const raw of decodeRecords(log)) {
      const record = readGroupRecord(raw)
      if (record.kind === 'group' && record.value) this.#judgeGroup(record.groupId, record.value, generations)
      if (record.kind !== 'offset' || !record.value) continue
      const attempt = this.#attempts.get(record.value.metadata)
      if (!attempt) return this.#stop(`the log holds ${record.value.metadata}, which nobody committed`)
      if (attempt.refused) return this.#stop(`the log holds ${attempt.metadata}, which was refused`)
      const stored = generations.get(record.groupId) ?? -1
      if (attempt.generation >= 0 && attempt.generation < stored)
        return this.#stop(`the log holds ${attempt.metadata} behind generation ${stored}`)
      found.add(attempt)
      const key = `${record.groupId}/${record.partition}`
      const before = seen.get(key)
      if (before && attempt.end < before.newestSent.sentAt)
        return this.#stop(`the log holds ${attempt.metadata} behind ${before.newestSent.metadata}, which was sent after that was answered`)
      seen.set(key, { last: attempt, newestSent: before && before.newestSent.sentAt > attempt.sentAt ? before.newestSent : attempt })
    }
    for (const attempt of this.#attempts.values())
      if (attempt.acknowledged && isOfLog(attempt.groupId) && !found.has(attempt))
        return this.#stop(`${attempt.metadata} was acknowledged and is lost`)
    return new Map([...seen].map(([key, { last }]) => [key, last]))
  }

  #judgeGroup(groupId: string, { generationId, members }: StoredGroup, generations: Map<string, number>): void {
    const before = generations.get(groupId) ?? -1
    if (generationId < before) this.#ledger.broken(`${groupId}: the log holds generation ${generationId} behind ${before}`)
    generations.set(groupId, generationId)
    const names = members
      .map(({ memberId, groupInstanceId }) => groupInstanceId ?? memberId)
      .toSorted()
      .join()
    const known = this.#generation(groupId, generationId)
    if (known.members !== undefined && known.members !== names && generationId > 0)
      this.#ledger.broken(`${groupId}: the log holds generation ${generationId} of ${known.members} and of ${names}`)
    known.members = names
  }

  #stop(text: string): Map<string, CommitAttempt> {
    this.#ledger.broken(text)
    return new Map()
  }
}
