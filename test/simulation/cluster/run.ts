// One seed: a cluster of three or five with its real code under virtual time, on disks that lose what was not synced, with producers, consumers and
// faults; after every event what must hold, and in the end, when everything has healed, every acknowledged record exactly once and in order.

import { accessSync, constants, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PartitionImage } from '../../../src/controller/image.js'
import type { HostedPartition } from '../../../src/replica/hosted-partition.js'
import type { IsrProposal } from '../../../src/replica/partition/leader-and-isr.js'
import { readAll } from '../../log/support.js'
import { MemoryLinks } from '../../support/memory-links.js'
import { SimulatedDisk } from '../support/disk.js'
import { SimDisk } from '../support/member-disk.js'
import { SimNetwork } from '../support/network.js'
import { Counts, SimWorld } from '../support/world.js'
import { Consumer, Producer } from './clients.js'
import { type FaultKind, Faults } from './faults.js'
import { InvariantBroken, Ledger, recordsOf } from './ledger.js'
import { SimNode } from './node.js'
import type { Planted } from './planted.js'

export interface RunOptions {
  readonly seed: number
  readonly planted?: Planted
  /** How many; absent: as the seed has it. */
  readonly nodes?: 3 | 5
  /** Faults that are drawn and then do not come: for finding out which ones a failure needs. */
  readonly without?: readonly FaultKind[]
  /** Virtual milliseconds with faults. */
  readonly durationMs?: number
  readonly log?: (line: string) => void
}

const TOPIC = 't'
const PARTITIONS = 2
const QUIET_EVERY_MS = 400
const MEMORY = '/dev/shm'

export class ClusterRun {
  readonly counts = new Counts()
  readonly world: SimWorld
  readonly network: SimNetwork
  readonly links: MemoryLinks
  readonly nodes: SimNode[]
  readonly disks = new Map<number, SimulatedDisk>()
  readonly promise: 'process' | 'disk'
  readonly ledger = new Ledger()
  readonly options: RunOptions
  readonly faults: Faults
  readonly #dir: string
  readonly #producers: Producer[] = []
  /** How far each replica had come when its process ended. */
  readonly #lastEnds = new Map<string, number>()
  /**
   * How far each had come when it lost power, in which registered life, and up to where a leader committed on it before it could know of the next
   * life.
   */
  readonly #lostEnds = new Map<string, { readonly end: number; readonly life: bigint | undefined; committed: number }>()
  readonly #roles = new WeakMap<HostedPartition, string>()
  /** Damaged replicas that were cut back to be made whole: theirs is the one high watermark that may go back. */
  readonly #mended = new WeakSet<HostedPartition>()
  #controllers = new Set<string>()

  constructor(options: RunOptions) {
    this.options = options
    this.world = new SimWorld(options.seed)
    this.world.readsFiles = true
    const { world, counts } = this
    this.promise = world.chance(0.5) ? 'disk' : 'process'
    this.network = new SimNetwork(world, counts)
    this.faults = new Faults(this)
    this.links = new MemoryLinks({
      env: world.life().env,
      delayMs: () => world.between(0.1, 2) + (world.chance(0.01) ? world.between(5, 60) : 0),
      deliver: (from, to, arrive) => this.faults.deliver(from, to, arrive),
      envOf: (id) => this.nodes.find((node) => node.id === id)?.life?.env ?? world.life().env,
    })
    this.#dir = mkdtempSync(join(scratch(), 'millrace-sim-'))
    const drawn = world.chance(0.65) ? 3 : 5
    const size = options.nodes ?? drawn
    const config = {
      servers: Array.from({ length: size }, (_, i) => ({ id: i + 1, host: `m${i + 1}`, port: 1, voter: true, clientAddress: null })),
    }
    this.nodes = config.servers.map(({ id }) => {
      const disk = new SimulatedDisk(join(this.#dir, String(id)), options.seed * 16 + id)
      this.disks.set(id, disk)
      return new SimNode({
        id,
        world,
        counts,
        config,
        network: this.network,
        links: this.links,
        memberDisk: new SimDisk(world, counts),
        disk,
        promise: this.promise,
        planted: options.planted,
        log: (line) => this.log(line),
        tampers: () => this.faults.tampers,
        onOpened: (node, hosted) => this.#watch(node, hosted),
      })
    })
  }

  log(line: string): void {
    this.options.log?.(`${this.world.now.toFixed(1).padStart(9)} ${line}`)
  }

  async run(): Promise<Counts> {
    try {
      this.log(`${this.nodes.length} nodes, promise ${this.promise}`)
      for (const node of this.nodes) this.world.after(this.world.between(0, 50), () => node.boot())
      await this.#until(
        10_000,
        'a topic could not be created',
        () => this.#partitions().length > 0,
        () => this.#create(),
      )
      this.#startClients()
      this.faults.start()
      this.#quietSoon()
      await this.world.run(this.world.now + (this.options.durationMs ?? 4000), () => this.#check())
      await this.#recover()
      this.counts.add('event', this.world.events)
      return this.counts
    } finally {
      await this.#end()
    }
  }

  async #end(): Promise<void> {
    for (const node of this.nodes) {
      node.kill('nothing')
      await node.gone.catch(() => undefined)
      this.disks.get(node.id)!.forget()
    }
    rmSync(this.#dir, { recursive: true, force: true })
  }

  /** Runs until `holds`, at most `ms`. `now and then` is tried again every 100 ms. */
  async #until(ms: number, what: string | (() => string), holds: () => boolean, nowAndThen: () => void = () => undefined): Promise<void> {
    const end = this.world.now + ms
    while (this.world.now < end) {
      nowAndThen()
      if (await this.world.run(this.world.now + 100, () => this.#check(), holds)) return
    }
    throw new InvariantBroken(`${typeof what === 'string' ? what : what()} within ${ms} ms: ${this.#describe()}`)
  }

  #create(): void {
    const node = this.nodes.find(({ control }) => control?.controller)
    const active = this.nodes.every(({ id }) => {
      const broker = node?.image?.brokers.get(id)
      return broker?.alive && !broker.fenced
    })
    if (!node || !active) return
    const assignments = Array.from({ length: PARTITIONS }, (_, partitionIndex) => ({
      partitionIndex,
      brokerIds: Array.from({ length: 3 }, (__, i) => ((partitionIndex * 2 + i) % this.nodes.length) + 1),
    }))
    const spec = {
      name: TOPIC,
      numPartitions: -1,
      replicationFactor: -1,
      assignments,
      configs: [{ name: 'millrace.ack', value: this.promise }],
    }
    node.control!.controller!.createTopics([spec], false).catch((error: Error) => this.log(`create: ${error.message}`))
  }

  #startClients(): void {
    const { world, counts, ledger, nodes } = this
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const options = {
        world,
        counts,
        ledger,
        nodes,
        topic: TOPIC,
        partition,
        log: (line: string) => this.log(line),
        onAcknowledged: (leader: SimNode, hosted: HostedPartition, lastOffset: number) => this.#acknowledged(leader, hosted, lastOffset),
      }
      for (let i = 0; i < 2; i++) this.#producers.push(new Producer(options, partition * 10 + i))
      new Consumer(options)
    }
  }

  // --- what must hold

  #watch(node: SimNode, hosted: HostedPartition): void {
    if (hosted.log.quarantined.length > 0) this.counts.add('quarantined at open')
    this.#watchProposals(node, hosted)
    const truncate = hosted.truncate.bind(hosted)
    hosted.truncate = (offset) => {
      if (offset < hosted.log.logEndOffset) this.counts.add('truncation')
      this.log(
        `n${node.id} cuts ${hosted.topic}-${hosted.partition} from ${hosted.log.logEndOffset} to ${offset}, hw ${hosted.state.highWatermark}`,
      )
      if (hosted.damage !== null) this.#mended.add(hosted)
      truncate(offset)
    }
  }

  /** The moment between what a leader asks for and what becomes of it. */
  #watchProposals(node: SimNode, hosted: HostedPartition): void {
    const { state } = hosted
    const tell = (proposal: IsrProposal | undefined): IsrProposal | undefined => {
      if (proposal) this.faults.plots.proposed(node, hosted, proposal)
      return proposal
    }
    const [afterFetch, shrink] = [state.proposeAfterFetch.bind(state), state.proposeShrink.bind(state)]
    state.proposeAfterFetch = (replica) => tell(afterFetch(replica))
    state.proposeShrink = (now) => tell(shrink(now))
  }

  /** Called before the node loses its power, or its disk. */
  recordsLost(node: SimNode, loses: 'power' | 'disk'): void {
    if (loses === 'power' && this.promise === 'disk') return
    for (const hosted of node.manager?.all() ?? []) {
      const key = `${node.id}/${hosted.topic}-${hosted.partition}`
      this.#lostEnds.set(key, { end: this.#lastEnds.get(key) ?? 0, life: node.image?.brokers.get(node.id)?.epoch, committed: 0 })
    }
  }

  /** What a life that lost power had, as far as a leader committed on it that could not know of a newer one. */
  #lostEnd(leader: SimNode, hosted: HostedPartition, id: number): number {
    const lost = this.#lostEnds.get(`${id}/${hosted.topic}-${hosted.partition}`)
    if (!lost) return 0
    return leader.image?.brokers.get(id)?.epoch === lost.life ? lost.end : Math.min(lost.end, lost.committed)
  }

  #noteCommitted(leader: SimNode, hosted: HostedPartition): void {
    if (hosted.state.role !== 'leader') return
    for (const { id } of this.nodes) {
      const lost = this.#lostEnds.get(`${id}/${hosted.topic}-${hosted.partition}`)
      if (lost && leader.image?.brokers.get(id)?.epoch === lost.life) lost.committed = Math.max(lost.committed, hosted.state.highWatermark)
    }
  }

  /**
   * An acknowledged record is on min ISR replicas at least, wherever they are now. On the `process` promise one counts that had fetched it and lost it
   * with the power, where the leader committed before it could know: it hears of that with the registration of the next life, as Kafka's does.
   */
  #acknowledged(leader: SimNode, hosted: HostedPartition, lastOffset: number): void {
    const { topic, partition } = hosted
    const replicas = this.nodes.filter((node) => {
      const log = node.hosted(topic, partition)?.log
      const end = log
        ? this.promise === 'disk'
          ? log.durableOffset
          : log.writtenOffset
        : this.#lastEnds.get(`${node.id}/${topic}-${partition}`)
      return Math.max(end ?? 0, this.#lostEnd(leader, hosted, node.id)) > lastOffset
    })
    if (replicas.length < 2)
      this.ledger.broken(
        `node ${leader.id} acknowledged ${topic}-${partition} up to ${lastOffset}, which is on ${replicas.map(({ id }) => id).join()} only (${this.promise})`,
      )
  }

  /** Nobody may find the session of a node ended while that node, by its own clock, may still act on it. */
  #checkLease(node: SimNode): void {
    const epoch = node.control?.registration.epoch ?? null
    if (!node.holdsLease || epoch === null) return
    const { sessionId } = node.control!.client
    for (const { id, member } of this.nodes) {
      if (member && member.tree.lastZxid >= epoch && !member.tree.sessions.has(sessionId))
        throw new InvariantBroken(`n${node.id} may act on its session, and n${id} knows that it has ended`)
    }
  }

  #check(): void {
    const { ledger } = this
    if (ledger.failure) throw ledger.failure
    for (const node of this.nodes) {
      this.#checkLease(node)
      if (node.member?.failure) throw new InvariantBroken(`member ${node.id} stopped: ${node.member.failure.message}`)
      if (node.control?.controller) this.#noteController(node)
      if (node.image) ledger.lookAtImage(node.id, node.image)
      for (const hosted of node.manager?.all() ?? []) {
        const key = `${hosted.topic}-${hosted.partition}`
        ledger.look(node.id, key, hosted, this.#mended.has(hosted) || this.faults.flipped.has(`${node.id}/${key}`))
        this.#lastEnds.set(`${node.id}/${key}`, this.promise === 'disk' ? hosted.log.durableOffset : hosted.log.writtenOffset)
        this.#noteCommitted(node, hosted)
        this.#noteRole(hosted)
      }
    }
    if (ledger.failure) throw ledger.failure
  }

  #noteController(node: SimNode): void {
    const term = `${node.id} ${node.image!.controllerEpoch}`
    if (this.#controllers.has(term)) return
    this.#controllers.add(term)
    this.counts.add('controller elected')
  }

  #noteRole(hosted: HostedPartition): void {
    const { role, leaderEpoch, isr } = hosted.state
    if (role !== 'leader') return void this.#roles.set(hosted, '0')
    const before = this.#roles.get(hosted)
    const now = `${leaderEpoch} ${isr.join()}`
    if (before === now) return
    this.#roles.set(hosted, now)
    if (!before || before.split(' ')[0] !== String(leaderEpoch)) this.counts.add('leader elected')
    else this.counts.add(isr.length < before.split(' ')[1]!.split(',').length ? 'ISR shrinks' : 'ISR grows')
  }

  #quietSoon(): void {
    this.world.after(QUIET_EVERY_MS, () => {
      this.#quietSoon()
      for (let partition = 0; partition < PARTITIONS; partition++) this.#compare(partition)
    })
  }

  /** Replicas that run agree below the smaller high watermark. */
  #compare(partition: number): void {
    const key = `${TOPIC}-${partition}`
    let first: { id: number; bytes: Buffer } | undefined
    const hosted = this.nodes
      .filter(({ id }) => !this.faults.flipped.has(`${id}/${key}`))
      .map((node) => ({ id: node.id, hosted: node.hosted(TOPIC, partition) }))
      .filter((each) => each.hosted && each.hosted.log.failure === undefined && each.hosted.log.quarantined.length === 0)
    const bound = Math.min(...hosted.map((each) => Math.min(each.hosted!.state.highWatermark, each.hosted!.log.writtenOffset)))
    for (const each of hosted) {
      const bytes = readAll(each.hosted!.log, 0, bound)
      if (first && !bytes.equals(first.bytes)) {
        const at = bytes.findIndex((byte, i) => byte !== first!.bytes[i])
        this.ledger.broken(
          `${key}: nodes ${first.id} and ${each.id} differ below ${bound}, the high watermark of both, at byte ${at} of ${first.bytes.length} and ${bytes.length}: ${recordsOf(first.bytes)?.map(short).join(' ')} | ${recordsOf(bytes)?.map(short).join(' ')}`,
        )
      }
      first ??= { id: each.id, bytes }
    }
  }

  // --- the end

  #partitions(): readonly PartitionImage[] {
    return this.nodes.find(({ image }) => image?.topics.has(TOPIC))?.image!.topics.get(TOPIC)!.partitions ?? []
  }

  async #recover(): Promise<void> {
    this.log('everything heals')
    this.faults.end()
    const boot = (): void => {
      for (const node of this.nodes) node.boot()
    }
    boot()
    const whole = (): boolean =>
      this.nodes.every(({ image }) => image?.topics.get(TOPIC)?.partitions.every(({ leader, isr }) => leader !== -1 && isr.length === 3))
    await this.#until(20_000, 'the cluster is not whole', whole, () => this.faults.mend())
    for (const producer of this.#producers) producer.stopped = true
    const waits = (): string => `not every record was acknowledged (${this.#producers.map(({ waitsFor }) => waitsFor).join(', ')})`
    await this.#until(
      20_000,
      waits,
      () => this.#producers.every(({ isDone }) => isDone),
      () => this.faults.mend(),
    )
    await this.#until(20_000, 'the cluster did not become whole again', whole, () => this.faults.mend())
    const caughtUp = (): boolean =>
      this.nodes.every((node) => [...(node.manager?.all() ?? [])].every(({ log, state }) => state.highWatermark === log.logEndOffset))
    await this.#until(5000, 'the high watermarks do not reach the ends', caughtUp)
    for (let partition = 0; partition < PARTITIONS; partition++) this.#judge(partition)
    if (this.ledger.failure) throw this.ledger.failure
  }

  /** Every replica: each acknowledged record exactly once, where it was acknowledged, each producer's in its order. */
  #judge(partition: number): void {
    this.#compare(partition)
    const key = `${TOPIC}-${partition}`
    for (const node of this.nodes) {
      const hosted = node.hosted(TOPIC, partition)
      if (!hosted) continue
      // A wrong bit that nobody has read yet is not known.
      if (this.faults.flipped.has(`${node.id}/${key}`)) continue
      const records = recordsOf(readAll(hosted.log))
      if (!records) {
        return this.ledger.broken(`${key} on node ${node.id} holds a wrong checksum`)
      }
      const at = new Map(records.map(({ offset, value }) => [offset, value]))
      for (const [offset, value] of this.ledger.knownOf(key))
        if (at.get(offset) !== value)
          return this.ledger.broken(`${key} on node ${node.id}: ${value} at offset ${offset} is lost; there is ${at.get(offset)}`)
      const next = new Map<string, number>()
      for (const { offset, value } of records) {
        const [name, sequence] = value.split('.', 1)[0]!.split(':') as [string, string]
        if (Number(sequence) !== (next.get(name) ?? 0))
          return this.ledger.broken(
            `${key} on node ${node.id}: ${name} has ${sequence} at offset ${offset}, expected ${next.get(name) ?? 0}`,
          )
        next.set(name, Number(sequence) + 1)
      }
    }
  }

  #describe(): string {
    return this.nodes
      .map((node) => {
        const roles = [...(node.manager?.all() ?? [])].map(
          ({ partition, state, log, damage }) =>
            `${partition} ${state.role} epoch ${state.leaderEpoch} [${log.logStartOffset}, ${log.logEndOffset}) hw ${state.highWatermark} isr ${state.isr.join()}${damage ? ' damaged' : ''}${log.failure ? ' failed' : ''}`,
        )
        return `n${node.id} ${node.member?.role ?? 'down'} ${node.control?.health.state ?? ''}${node.control?.controller ? ' controller' : ''}: ${roles.join('; ')}`
      })
      .join(' | ')
  }

  /** The segment files of a replica that nothing is appended to any more. */
  closedSegments(node: SimNode, partition: number): string[] {
    const log = node.hosted(TOPIC, partition)?.log
    if (!log) return []
    const closed = new Set(log.closedSegments().map(({ baseOffset }) => `${String(baseOffset).padStart(20, '0')}.log`))
    return readdirSync(log.dir)
      .filter((name) => closed.has(name))
      .map((name) => join(log.dir, name))
  }
}

/** What the disk double keeps lies in files: in memory where there is such a place, because real fsyncs are most of what a seed costs. */
function scratch(): string {
  try {
    accessSync(MEMORY, constants.W_OK)
    return MEMORY
  } catch {
    return tmpdir()
  }
}

function short({ offset, value }: { offset: number; value: string }): string {
  return `${offset}=${value.split('.', 1)[0]}`
}

/** Runs one seed. Throws with the seed in the message. */
export async function runSeed(options: RunOptions): Promise<Counts> {
  const run = new ClusterRun(options)
  try {
    return await run.run()
  } catch (error) {
    throw new Error(`seed ${options.seed}: ${(error as Error).message}`, { cause: error })
  }
}
