// Faults that come together, in the order that hurts: each plot aims at one promise that single faults, drawn at random, hardly ever touch. None of
// them breaks what a promise stands on: processes end, messages are late, nothing written is lost.

import { CONTROLLER } from '../../../src/controller/paths.js'
import type { HostedPartition } from '../../../src/replica/hosted-partition.js'
import type { IsrProposal } from '../../../src/replica/partition/leader-and-isr.js'
import type { Faults } from './faults.js'
import type { SimNode } from './node.js'
import type { ClusterRun } from './run.js'

/** Beyond replica.lag.time.max.ms and the check after it. */
const UNTIL_OUT_OF_SYNC_MS = 1000

export class Plots {
  readonly #run: ClusterRun
  readonly #faults: Faults
  #active = false

  constructor(run: ClusterRun, faults: Faults) {
    this.#run = run
    this.#faults = faults
  }

  /** A partition leader sends a proposal to the controller: the moment for what may overtake it. */
  proposed(leader: SimNode, hosted: HostedPartition, { newIsr }: IsrProposal): void {
    if (!this.#faults.isActive || this.#active) return
    const joins = newIsr.map(({ id }) => id).find((id) => !hosted.state.isr.includes(id))
    const { world } = this.#run
    if (joins !== undefined && world.chance(0.15)) this.#joinBehindItsBack(leader, joins)
    else if (world.chance(0.15)) this.deposed()
  }

  /**
   * The controller takes a follower in, and the leader does not hear of it: the follower gets nothing more, the leader goes on with those it knows to be
   * in sync, and dies. Whoever leads next may be the one that was taken in.
   */
  #joinBehindItsBack(leader: SimNode, joins: number): void {
    const { world, nodes, network, links, counts } = this.#run
    const joining = nodes.find(({ id }) => id === joins)
    if (!joining?.isUp || joining.control?.controller) return
    counts.add('join behind the leader')
    this.#run.log(`n${leader.id} is not to hear that n${joins} joins`)
    const until = world.now + world.between(200, 450)
    this.#whileActive(until + 100)
    for (const node of nodes) node.answersSlowUntil = until
    for (const { id } of nodes) if (id !== leader.id) network.cut(id, leader.id)
    world.after(world.between(8, 20), () => links.cut(leader.id, joins))
    world.after(until - world.now, () => {
      this.#faults.restart(leader, 'nothing', world.between(1000, 2000))
      for (const { id } of nodes) network.heal(id, leader.id, true)
      world.after(world.between(900, 1500), () => links.heal(leader.id, joins))
    })
  }

  /** Another node ends the controller's term while what the controller has just asked the ensemble for is still on its way. */
  deposed(): void {
    const { world, nodes, counts } = this.#run
    const controller = nodes.find(({ control }) => control?.controller)
    const other = nodes.find((node) => node !== controller && node.control?.client.state === 'connected' && !node.paused)
    if (!controller || !other) return
    counts.add('controller deposed')
    this.#run.log(`n${other.id} ends the term of n${controller.id}, whose writes are late`)
    controller.sessionSlowUntil = world.now + world.between(100, 600)
    this.#whileActive(controller.sessionSlowUntil)
    world.after(world.between(1, 40), () => {
      other.control?.client.delete(CONTROLLER).catch((error: Error) => this.#run.log(`it could not: ${error.message}`))
    })
  }

  /** A follower falls behind, and then all that are in sync die at once: nobody may lead until one of them is back. */
  inSyncSetDies(partition: number): void {
    const { world, nodes, links, counts } = this.#run
    const known = (): { leader: number; isr: readonly number[] } | undefined =>
      nodes.find(({ control }) => control?.controller)?.image?.topics.get('t')?.partitions[partition]
    const before = known()
    const behind = before?.isr.find((id) => id !== before.leader)
    // With three nodes there is nobody left to elect anybody.
    if (behind === undefined || this.#active || nodes.length < 5) return
    counts.add('follower falls behind')
    this.#run.log(`n${behind} gets no records`)
    this.#whileActive(world.now + UNTIL_OUT_OF_SYNC_MS + 100)
    for (const { id } of nodes) if (id !== behind) links.cut(id, behind)
    world.after(UNTIL_OUT_OF_SYNC_MS, () => {
      const isr = known()?.isr
      if (this.#faults.isActive && isr && !isr.includes(behind) && isr.length > 1) {
        counts.add('in-sync set dies')
        for (const node of nodes) if (isr.includes(node.id)) this.#faults.restart(node, 'nothing', world.between(1200, 2500))
      }
      world.after(world.between(0, 500), () => {
        for (const { id } of nodes) if (id !== behind) links.heal(id, behind)
      })
    })
  }

  /** One plot at a time. */
  #whileActive(until: number): void {
    const { world } = this.#run
    this.#active = true
    world.after(until - world.now, () => {
      this.#active = false
    })
  }
}
