// What goes wrong, drawn from the seed, and never more of it than the promise stands: faults that destroy a copy (a power loss on the `process`
// promise, a replaced disk, a flipped bit) come only while every other replica is in sync, and a failed fsync, which may do so, not beside a flipped bit.

import { statSync } from 'node:fs'
import { Plots } from './plots.js'
import type { ClusterRun } from './run.js'
import type { Loss, SimNode } from './node.js'

/** How often each comes, in hundredths. */
const SHARES = {
  kill: 10,
  inSyncSetDies: 5,
  killAll: 3,
  powerLoss: 12,
  powerLossOfAll: 4,
  pause: 12,
  cut: 10,
  cutOneWay: 8,
  isolate: 8,
  fullDisk: 6,
  failedSync: 4,
  reset: 6,
  clockJump: 4,
  depose: 4,
  flip: 4,
} as const
export type FaultKind = keyof typeof SHARES
export const FAULT_KINDS = Object.keys(SHARES) as FaultKind[]

function kindAt(drawn: number): { readonly kind: FaultKind; readonly share: number } {
  let left = drawn * 100
  for (const kind of FAULT_KINDS) {
    if (left < SHARES[kind]) return { kind, share: left / SHARES[kind] }
    left -= SHARES[kind]
  }
  return { kind: 'flip', share: 0 }
}

/** Of the power losses that hit a replica that can be spared: it is the disk that is lost. */
const REPLACED_SHARE = 0.5

const LOSSES = {
  nothing: ['kill', 'is killed'],
  power: ['power loss', 'loses power'],
  disk: ['disk replaced', 'is killed, and its data disk replaced'],
} as const

export class Faults {
  /** Replicas that had a bit flipped, as `node/topic-partition`. */
  readonly flipped = new Set<string>()
  readonly plots: Plots
  readonly #run: ClusterRun
  readonly #oneWay = new Map<string, (() => void)[]>()
  readonly #flippedPartitions = new Set<string>()
  #active = false
  #flips = false
  #tampers = false
  /** A copy of everything is gone, or was. */
  #replaced = false

  constructor(run: ClusterRun) {
    this.#run = run
    this.plots = new Plots(run, this)
  }

  get isActive(): boolean {
    return this.#active
  }

  start(): void {
    this.#active = true
    const { world } = this.#run
    this.#flips = world.chance(0.3)
    this.#tampers = world.chance(0.3)
    this.#disturb()
  }

  /** Bits of files may be wrong without anybody knowing it. */
  get flips(): boolean {
    return this.#flips
  }

  get tampers(): boolean {
    return this.#active && this.#tampers && this.#run.world.chance(0.02)
  }

  end(): void {
    this.#active = false
    const { network, links, nodes, disks } = this.#run
    network.healAll()
    for (const [direction, held] of this.#oneWay) {
      this.#oneWay.delete(direction)
      for (const arrive of held) arrive()
    }
    for (const a of nodes) {
      for (const b of nodes) links.heal(a.id, b.id)
      disks.get(a.id)!.setFaults({})
      if (a.paused) a.resume()
      a.sessionSlowUntil = a.answersSlowUntil = 0
    }
  }

  /** Whoever looks after the cluster starts a node anew whose log is out of service, or could not be opened. */
  mend(): void {
    for (const node of this.#run.nodes) {
      if (!node.isUp) node.boot()
      else if (node.lacksReplica || [...(node.manager?.all() ?? [])].some(({ log }) => log.failure !== undefined))
        this.restart(node, 'nothing')
    }
  }

  /** A message that has come: held while its direction is cut, or its node paused. */
  deliver(from: number, to: number, arrive: () => void): void {
    const held = this.#oneWay.get(`${from}>${to}`)
    if (held) {
      if (held.length < 10_000) held.push(arrive)
      return
    }
    this.#run.nodes.find(({ id }) => id === to)?.life?.run(arrive)
  }

  #disturb(): void {
    const { world, nodes, options } = this.#run
    world.after(world.between(30, 400), () => {
      if (!this.#active) return
      this.#disturb()
      const [a, b] = [world.pick(nodes), world.pick(nodes)]
      const { kind, share } = kindAt(world.random.next())
      if (!options.without?.includes(kind)) this.#strike(kind, share, a, b)
    })
  }

  #strike(kind: FaultKind, share: number, a: SimNode, b: SimNode): void {
    const { world, nodes } = this.#run
    switch (kind) {
      case 'kill':
        return this.restart(a, 'nothing')
      case 'inSyncSetDies':
        return this.plots.inSyncSetDies(world.chance(0.5) ? 0 : 1)
      case 'killAll':
        return nodes.forEach((node) => this.restart(node, 'nothing'))
      case 'powerLoss':
        return this.#powerLoss(a, share)
      case 'powerLossOfAll':
        return this.#powerLossOfAll()
      case 'pause':
        return this.#pause(a)
      case 'cut':
        return this.#cut(a, b)
      case 'cutOneWay':
        return this.#cutOneWay(a, b)
      case 'isolate':
        return this.#isolate(a)
      case 'fullDisk':
        return this.#fullDisk(a)
      case 'failedSync':
        return this.#failedSync(a)
      case 'reset':
        return this.#reset(a, b)
      case 'clockJump':
        return this.#jump(a)
      case 'depose':
        return this.plots.deposed()
      case 'flip':
        return this.#flip(a)
      default:
        kind satisfies never
    }
  }

  /** `node` may lose what it has: every other replica of its partitions is in sync by everybody's word, and none is damaged. */
  #isSpare(node: SimNode): boolean {
    const { nodes, topics } = this.#run
    if (this.flipped.size > 0) return false
    return nodes.every((each) => {
      const { image } = each
      return (
        each.isUp &&
        topics.every(({ topic }) =>
          image?.topics.get(topic)?.partitions.every(({ replicas, isr }) => !replicas.includes(node.id) || isr.length === replicas.length),
        )
      )
    })
  }

  restart(node: SimNode, loses: Loss, downMs = this.#run.world.between(5, 1500)): void {
    const { world, counts } = this.#run
    if (!node.isUp) return
    const [counted, said] = LOSSES[loses]
    counts.add(counted)
    this.#run.log(`n${node.id} ${said}`)
    if (loses !== 'nothing') this.#run.recordsLost(node, loses)
    node.kill(loses)
    world.after(downMs, () => node.boot())
  }

  /** `share`: where in this kind of fault the draw fell. */
  #powerLoss(node: SimNode, share: number): void {
    const isSpare = this.#isSpare(node)
    if (isSpare && share < REPLACED_SHARE) {
      this.#replaced = true
      this.restart(node, 'disk')
    } else if (isSpare || this.#run.promise === 'disk') this.restart(node, 'power')
  }

  #powerLossOfAll(): void {
    if (this.#run.promise !== 'disk') return
    this.#run.counts.add('power loss of all')
    for (const node of this.#run.nodes) this.restart(node, 'power')
  }

  #pause(node: SimNode): void {
    const { world, counts } = this.#run
    const { life } = node
    if (!life || node.paused) return
    counts.add('pause')
    this.#run.log(`n${node.id} is paused`)
    node.pause()
    world.after(world.between(50, 2500), () => {
      if (node.life !== life) return
      this.#run.log(`n${node.id} goes on`)
      node.resume()
    })
  }

  #cut(a: SimNode, b: SimNode): void {
    if (a === b) return
    const { world, network, links, counts } = this.#run
    counts.add('cut')
    this.#run.log(`n${a.id} - n${b.id} is cut`)
    network.cut(a.id, b.id)
    network.cut(b.id, a.id)
    links.cut(a.id, b.id)
    world.after(world.between(50, 2000), () => {
      network.heal(a.id, b.id, true)
      network.heal(b.id, a.id, true)
      links.heal(a.id, b.id)
    })
  }

  #isolate(node: SimNode): void {
    this.#run.counts.add('isolation')
    for (const other of this.#run.nodes) this.#cut(node, other)
  }

  #cutOneWay(a: SimNode, b: SimNode): void {
    const direction = `${a.id}>${b.id}`
    if (a === b || this.#oneWay.has(direction)) return
    const { world, network, links, counts } = this.#run
    counts.add('one-way cut')
    this.#run.log(`n${a.id} -> n${b.id} is cut`)
    network.cut(a.id, b.id)
    this.#oneWay.set(direction, [])
    world.after(world.between(50, 1500), () => {
      const held = this.#oneWay.get(direction)
      if (!held) return
      const reset = world.chance(0.5)
      this.#oneWay.delete(direction)
      network.heal(a.id, b.id, reset)
      if (!reset) for (const arrive of held) this.deliver(a.id, b.id, arrive)
      links.cut(a.id, b.id)
      links.heal(a.id, b.id)
    })
  }

  #reset(a: SimNode, b: SimNode): void {
    if (a === b) return
    const { network, links, counts } = this.#run
    counts.add('link reset')
    network.reset(a.id, b.id, true)
    links.cut(a.id, b.id)
    links.heal(a.id, b.id)
  }

  #fullDisk(node: SimNode): void {
    const { world, counts, disks } = this.#run
    const disk = disks.get(node.id)!
    const { life } = node
    if (!life) return
    counts.add('full disk')
    this.#run.log(`n${node.id} has a full disk`)
    disk.setFaults({ room: Math.floor(world.between(0, 2000)) })
    world.after(world.between(50, 1500), () => {
      if (node.life === life) disk.setFaults({})
    })
  }

  #failedSync(node: SimNode): void {
    const { world, counts, disks } = this.#run
    const { life } = node
    if (!life || (this.#run.promise === 'process' && this.flipped.size > 0)) return
    counts.add('failing fsync')
    this.#run.log(`n${node.id} fails to sync`)
    disks.get(node.id)!.setFaults({ syncError: true })
    world.after(world.between(100, 800), () => {
      if (node.life !== life) return
      disks.get(node.id)!.setFaults({})
      // What a failed fsync covered may be gone from memory too; what was promised on `disk` is not.
      if ([...(node.manager?.all() ?? [])].some(({ log }) => log.failure !== undefined))
        this.restart(node, this.#run.promise === 'disk' ? 'power' : 'nothing')
    })
  }

  #jump(node: SimNode): void {
    this.#run.counts.add('clock jump')
    node.life?.jump(this.#run.world.between(-600_000, 600_000))
  }

  /** A bit of a segment that is closed, on one node for each partition at most. */
  #flip(node: SimNode): void {
    const { world, counts, disks, promise, topics } = this.#run
    const partition = world.chance(0.5) ? 0 : 1
    const { topic } = topics.length > 1 ? world.pick(topics) : topics[0]!
    const key = `${topic}-${partition}`
    if (!this.#flips || this.#flippedPartitions.has(key)) return
    if ((promise === 'process' || this.#replaced) && !this.#isSpare(node)) return
    const files = this.#run.closedSegments(node, topic, partition)
    if (files.length === 0) return
    const file = world.pick(files)
    this.#flippedPartitions.add(key)
    this.flipped.add(`${node.id}/${key}`)
    counts.add('flipped bit')
    const bit = Math.floor(world.random.next() * statSync(file).size * 8)
    this.#run.log(`n${node.id} has bit ${bit} of ${file} flipped`)
    disks.get(node.id)!.flipBit(file, bit)
  }
}
