// The groups of a run: one of dynamic members, one of static ones, one that only commits. Puts their clients together, says when all of them have come to rest,
// and judges the logs of __consumer_offsets in the end.

import { partitionForGroup } from '../../../src/coordinators/group/partition-for-group.js'
import { GROUP_METADATA_TOPIC } from '../../../src/model/topic-partition.js'
import { readAll } from '../../log/support.js'
import type { CommitAttempt } from './group-ledger.js'
import { GroupLedger } from './group-ledger.js'
import { GroupLink } from './group-link.js'
import { GroupMember } from './group-member.js'
import { GroupOffsets } from './group-offsets.js'
import type { ClusterRun } from './run.js'

/** Of __consumer_offsets. */
export const GROUP_PARTITIONS = 2
/** What the members share. */
const PARTITIONS = 4
/** A group that only commits. */
const SIMPLE = 'simple'
const NOBODY = { memberId: '', instance: null, generation: -1 }

export class Groups {
  readonly ledger: GroupLedger
  readonly #run: ClusterRun
  readonly #members: GroupMember[] = []
  /** By group: commits and fetches of whoever the group allows. */
  readonly #offsets = new Map<string, GroupOffsets[]>()
  readonly #simple: GroupOffsets
  readonly #final = new Map<string, CommitAttempt>()
  #stopped = false

  constructor(run: ClusterRun) {
    this.#run = run
    this.ledger = new GroupLedger(run.ledger)
    for (let i = 0; i < 3; i++) this.#member('dynamic', `d${i}`, null)
    for (let i = 0; i < 2; i++) this.#member('static', `s${i}`, `instance-${i}`)
    this.#simple = new GroupOffsets(this.#clientOf(SIMPLE))
    this.#offsets.set(SIMPLE, [this.#simple])
    this.#commitSoon()
  }

  /** Since then: every member has its part, and every partition of every group a commit. Otherwise what is missing. */
  missing(since: number): string {
    const missing: string[] = []
    for (const [groupId, clients] of this.#offsets)
      for (let partition = 0; partition < sharedBy(groupId); partition++)
        if (!clients.some(({ acknowledgedAt }) => (acknowledgedAt.get(partition) ?? -1) > since)) missing.push(`${groupId}/${partition}`)
    return missing.join()
  }

  stop(): void {
    this.#stopped = true
    for (const member of this.#members) member.stop()
  }

  get isDone(): boolean {
    return this.#stopped && [...this.#offsets.values()].flat().every(({ inFlight }) => inFlight === 0)
  }

  /** Every replica of every partition of __consumer_offsets holds what was promised. */
  judge(): void {
    for (const node of this.#run.nodes)
      for (let partition = 0; partition < GROUP_PARTITIONS; partition++) {
        const hosted = node.hosted(GROUP_METADATA_TOPIC, partition)
        if (!hosted || this.#run.faults.flipped.has(`${node.id}/${GROUP_METADATA_TOPIC}-${partition}`)) continue
        const isOfLog = (groupId: string): boolean => partitionForGroup(groupId, GROUP_PARTITIONS) === partition
        for (const [key, last] of this.ledger.judge(readAll(hosted.log), isOfLog)) this.#final.set(key, last)
      }
  }

  #clientOf(groupId: string) {
    const { world, counts, nodes, ledger, faults } = this.#run
    const isBad = (): boolean => faults.isActive
    return {
      world,
      counts,
      ledger: this.ledger,
      invariants: ledger,
      groupId,
      partitions: PARTITIONS,
      isBad,
      link: new GroupLink({ world, counts, nodes, groupId, isBad }),
      log: (line: string) => this.#run.log(`${groupId}: ${line}`),
    }
  }

  #member(groupId: string, name: string, instance: string | null): void {
    const member = new GroupMember({ ...this.#clientOf(groupId), name, instance })
    this.#members.push(member)
    this.#offsets.set(groupId, [...(this.#offsets.get(groupId) ?? []), member.offsets])
  }

  /** One that assigns its partitions itself, and asks now and then for what anybody committed. */
  #commitSoon(): void {
    const { world } = this.#run
    world.after(world.between(10, 90), () => {
      if (this.#stopped) return
      if (world.chance(0.3)) this.#simple.fetch(0)
      if (world.chance(0.3)) {
        const [, clients] = world.pick([...this.#offsets])
        clients[0]!.fetch(Math.floor(world.between(0, PARTITIONS)))
      }
      this.#simple.commit(0, NOBODY, () => this.#commitSoon())
    })
  }

  /** In the end each coordinator answers with the last commit of its log. Returns whether all have. */
  fetchAll(): () => boolean {
    let waiting = 0
    for (const [groupId, clients] of this.#offsets)
      for (let partition = 0; partition < sharedBy(groupId); partition++) {
        waiting++
        clients[0]!.fetchLast(partition, this.#final.get(`${groupId}/${partition}`), () => waiting--)
      }
    return () => waiting === 0
  }
}

function sharedBy(groupId: string): number {
  return groupId === SIMPLE ? 1 : PARTITIONS
}
