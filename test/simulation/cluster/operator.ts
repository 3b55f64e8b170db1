// Whoever operates the cluster: moves replicas to other nodes, raises and lowers the replication factor, reorders replicas and has the preferred ones lead, and
// gives up what it began, through the API of any node. Where a copy may be damaged unnoticed (seeds that flip bits) it takes none away, which would break more than
// the promise stands, and adds none: a wrong bit that no checksum covers is copied with the rest.

import type { PartitionImage } from '../../../src/controller/image.js'
import { ElectionType } from '../../../src/controller/election-decisions.js'
import { isReassigning } from '../../../src/controller/reassignment.js'
import { errors } from '../../../src/model/errors.js'
import type { SimNode } from './node.js'
import type { ClusterRun } from './run.js'

/** Never fewer than min ISR. */
const LEAST_REPLICAS = 2
const MOST_REPLICAS = 4

type Kind = 'moves' | 'raises' | 'lowers' | 'reorders'

interface Plan {
  readonly kind: Kind
  readonly replicas: readonly number[]
}

export class Operator {
  readonly #run: ClusterRun

  constructor(run: ClusterRun) {
    this.#run = run
    this.#actSoon()
  }

  #actSoon(): void {
    const { world, faults } = this.#run
    world.after(world.between(100, 600), () => {
      if (!faults.isActive) return
      this.#actSoon()
      this.#act()
    })
  }

  #act(): void {
    const { world, nodes, topics } = this.#run
    const running = nodes.filter(({ control, image, paused }) => control && image && !paused)
    if (running.length === 0) return
    const node = world.pick(running)
    const { topic, partitions } = world.pick(topics)
    const partition = Math.floor(world.between(0, partitions))
    const state = node.image!.topics.get(topic)?.partitions[partition]
    if (!state) return
    const share = world.random.next()
    if (share < 0.2) this.#elect(node, topic, partition)
    else if (isReassigning(state) && share < 0.5) this.#cancel(node, topic, partition)
    else this.#reassign(node, topic, state)
  }

  #elect(node: SimNode, topic: string, partition: number): void {
    const { counts } = this.#run
    if (!node.control) return
    node.control.api.electLeaders(ElectionType.preferred, [{ topic, partition }]).then(
      ([outcome]) => {
        if (outcome?.errorCode === errors.NONE.code) counts.add('preferred leader elected')
      },
      () => counts.add('operator heard nothing'),
    )
  }

  #cancel(node: SimNode, topic: string, partition: number): void {
    if (this.#run.faults.flips) return
    this.#ask(node, topic, partition, null, 'reassignment cancelled')
  }

  #reassign(node: SimNode, topic: string, state: PartitionImage): void {
    const { world, faults } = this.#run
    const { partition } = state
    const plan = this.#plan(state)
    if (!plan) return
    this.#ask(node, topic, partition, plan.replicas, `reassignment ${plan.kind}`)
    const goesOn = world.chance(0.4)
    if (goesOn)
      world.after(world.between(5, 60), () => {
        if (!faults.isActive) return
        if (plan.kind === 'reorders') this.#elect(node, topic, partition)
        else this.#cancel(node, topic, partition)
      })
  }

  #ask(node: SimNode, topic: string, partition: number, replicas: readonly number[] | null, counted: string): void {
    const { counts } = this.#run
    if (!node.control) return
    node.control.api.alterPartitionReassignments([{ topic, partition, replicas }], true).then(
      ([outcome]) => {
        this.#run.log(`${topic}-${partition} to ${replicas?.join() ?? 'what it was'}: error ${outcome?.errorCode}`)
        counts.add(outcome?.errorCode === errors.NONE.code ? counted : `reassignment error ${outcome?.errorCode}`)
      },
      () => counts.add('operator heard nothing'),
    )
  }

  #plan({ replicas, removingReplicas }: PartitionImage): Plan | undefined {
    const { world, nodes, faults } = this.#run
    const target = replicas.filter((id) => !removingReplicas.includes(id))
    const others = nodes.map(({ id }) => id).filter((id) => !replicas.includes(id))
    const share = world.random.next()
    if (share < 0.25) return { kind: 'reorders', replicas: [...target.slice(1), target[0]!] }
    if (faults.flips) return undefined
    const gone = world.pick(target)
    if (share < 0.5 && target.length > LEAST_REPLICAS) return { kind: 'lowers', replicas: target.filter((id) => id !== gone) }
    if (others.length === 0) return undefined
    if (share < 0.7 && target.length < MOST_REPLICAS) return { kind: 'raises', replicas: [...target, world.pick(others)] }
    return { kind: 'moves', replicas: target.map((id) => (id === gone ? world.pick(others) : id)) }
  }
}
