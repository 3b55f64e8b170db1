// The way of a group client to its coordinator: it asks any node who that is, sends there, hears too late, twice or nothing, and looks for the coordinator anew
// when it is told that this is not the one, or is told nothing.

import type { GroupAnswer, GroupArgument, Unreached } from '../../../src/broker/handlers/group-requests.js'
import { partitionForGroup } from '../../../src/coordinators/group/partition-for-group.js'
import { errors } from '../../../src/model/errors.js'
import { GROUP_METADATA_TOPIC } from '../../../src/model/topic-partition.js'
import type { Counts, SimWorld } from '../support/world.js'
import { someImage } from './clients.js'
import type { GroupMethod } from './coordinators.js'
import type { SimNode } from './node.js'

/** Of the requests and of the answers, while the network is bad. */
const LOST = 0.015
const LATE = 0.03
const TWICE = 0.02

/** Another node coordinates the group, or none does yet. */
export const LOOK_ELSEWHERE: ReadonlySet<number> = new Set([
  errors.NOT_COORDINATOR.code,
  errors.COORDINATOR_NOT_AVAILABLE.code,
  errors.COORDINATOR_LOAD_IN_PROGRESS.code,
])

export interface GroupLinkOptions {
  readonly world: SimWorld
  readonly counts: Counts
  readonly nodes: readonly SimNode[]
  readonly groupId: string
  /** Messages are lost, late and doubled. */
  isBad(): boolean
}

/** `answer` undefined: none came in time, or it says to look elsewhere. `once`: no other copy of the request is on its way. */
export type Heard<M extends GroupMethod> = (answer: GroupAnswer<M> | Unreached | undefined, once: boolean) => void

export class GroupLink {
  readonly #options: GroupLinkOptions
  #coordinator: SimNode | undefined

  constructor(options: GroupLinkOptions) {
    this.#options = options
  }

  call<M extends GroupMethod>(method: M, argument: GroupArgument<M>, timeoutMs: number, heard: Heard<M>): void {
    const { world, counts, isBad } = this.#options
    this.#coordinator ??= this.#find()
    const node = this.#coordinator
    if (!node) return void world.after(world.between(20, 60), () => heard(undefined, true))
    let waiting = true
    const twice = isBad() && world.chance(TWICE)
    const settle = (answer: GroupAnswer<M> | Unreached | undefined): void => {
      if (!waiting) return
      waiting = false
      timer.cancel()
      if (answer === undefined || LOOK_ELSEWHERE.has(answer.errorCode)) this.#coordinator = undefined
      heard(answer, !twice)
    }
    const timer = world.after(timeoutMs, () => {
      counts.add('group request timed out')
      settle(undefined)
    })
    if (twice) counts.add('group request twice')
    for (let copies = twice ? 2 : 1; copies > 0; copies--) this.#send(node, method, argument, settle)
  }

  #send<M extends GroupMethod>(
    node: SimNode,
    method: M,
    argument: GroupArgument<M>,
    hear: (answer: GroupAnswer<M> | Unreached) => void,
  ): void {
    const { groupId } = this.#options
    const { life } = node
    this.#carry('request', () =>
      life?.run(() => {
        const { coordinators } = node
        if (!coordinators || !life.alive()) return
        void coordinators.call(groupId, method, argument).then((answer) => {
          if (life.alive()) life.run(() => this.#carry('answer', () => hear(answer)))
        })
      }),
    )
  }

  #carry(what: string, arrive: () => void): void {
    const { world, counts, isBad } = this.#options
    const bad = isBad()
    if (bad && world.chance(LOST)) return counts.add(`group ${what} lost`)
    const isLate = bad && world.chance(LATE)
    if (isLate) counts.add(`group ${what} late`)
    world.after(isLate ? world.between(30, 900) : world.between(0.2, 3), arrive)
  }

  /** Whoever coordinates the group, as some node that runs believes. */
  #find(): SimNode | undefined {
    const { world, nodes, groupId, counts } = this.#options
    const image = someImage(world, nodes)
    if (!image) return undefined
    const partitions = image.topics.get(GROUP_METADATA_TOPIC)?.partitions
    const leader = partitions?.[partitionForGroup(groupId, partitions.length)]?.leader
    counts.add('coordinator looked up')
    return nodes.find(({ id, coordinators }) => id === leader && coordinators !== undefined)
  }
}
