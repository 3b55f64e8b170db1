// One seed: a cluster of three or five with its real code under virtual time, on disks that lose what was not synced, with producers, consumers and
// faults; after every event what must hold, and in the end, when everything has healed, every acknowledged record exactly once and in order.

import { accessSync, constants, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PartitionImage, TopicImage } from '../../../src/controller/image.js'
import { isReassigning } from '../../../src/controller/reassignment.js'
import { GROUP_METADATA_TOPIC } from '../../../src/model/topic-partition.js'
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
import { GROUP_PARTITIONS, Groups } from './groups.js'
import { InvariantBroken, Ledger, recordsOf } from './ledger.js'
import { SimNode } from './node.js'
import { Operator } from './operator.js'
import type { Planted } from './planted.js'

export interface RunOptions {
  readonly seed: number
  readonly planted?: Planted
  /** How many; absent: as the seed has it. */
  readonly nodes?: 3 | 5
  /** Faults that are drawn and then do not come: for finding out which ones a failure needs. */
  readonly without?: readonly FaultKind[]
  /** Without consumer groups and without an operator: a seed draws what it drew before there were any. */
  readonly recordsOnly?: boolean
  /** Virtual milliseconds with faults. */
  readonly durationMs?: number
  readonly log?: (line: string) => void
}

const TOPIC = 't'
const PARTITIONS = 2
export interface TopicShape {
  readonly topic: string
  readonly partitions: number
}
const QUIET_EVERY_MS = 400
const MEMORY = '/dev/shm'

interface LeaderTerm {
  readonly leaderEpoch: number
  readonly isr: readonly number[]
}

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
  readonly topics: readonly TopicShape[]
  readonly #dir: string
  readonly #producers: Producer[] = []
  /** How far each replica had come when its process ended. */
  readonly #lastEnds = new Map<string, number>()
  /**
   * How far each had come when it lost power, in which registered life, and up to where a leader committed on it before it could know of the next
   * life.
   */
  readonly #lostEnds = new Map<string, { readonly end: number; readonly life: bigint | undefined; committed: number }>()
  /** How far each replica had come that was reassigned away. */
  readonly #droppedEnds = new Map<string, number>()
  readonly #roles = new WeakMap<HostedPartition, LeaderTerm>()
  readonly #names = new WeakMap<HostedPartition, { readonly key: string; readonly replica: string }>()
  /** Damaged replicas that were cut back to be made whole: theirs is the one high watermark that may go back. */
  readonly #mended = new WeakSet<HostedPartition>()
  #controllers = new Set<string>()
  #groups: Groups | undefined

  constructor(options: RunOptions) {
    this.options = options
    this.world = new SimWorld(options.seed)
    this.world.readsFiles = true
    const { world, counts } = this
    const records = [{ topic: TOPIC, partitions: PARTITIONS }]
    this.topics = options.recordsOnly ? records : [...records, { topic: GROUP_METADATA_TOPIC, partitions: GROUP_PARTITIONS }]
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
        onDropped: (node, topic, partition) => this.#dropped(node, topic, partition),
        onCoordinatorCommitted: (node, hosted, lastOffset) => this.#acknowledged(node, hosted, lastOffset),
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
        () => this.topics.every(({ topic }) => this.#partitions(topic).length > 0),
        () => this.#create(),
      )
      this.#startClients()
      this.faults.start()
      if (!this.options.recordsOnly) new Operator(this)
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
    const specs = this.topics
      .filter(({ topic }) => !node.image!.topics.has(topic))
      .map(({ topic, partitions }) => ({
        name: topic,
        numPartitions: -1,
        replicationFactor: -1,
        assignments: Array.from({ length: partitions }, (_, partitionIndex) => ({
          partitionIndex,
          brokerIds: Array.from({ length: 3 }, (__, i) => ((partitionIndex * 2 + i) % this.nodes.length) + 1),
        })),
        configs: [{ name: 'millrace.ack', value: this.promise }],
      }))
    node.control!.controller!.createTopics(specs, false).catch((error: Error) => this.log(`create: ${error.message}`))
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
    if (!this.options.recordsOnly) this.#groups = new Groups(this)
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

  /** It was reassigned away from the node, and its log is gone: nothing on it counts any more. */
  #dropped(node: SimNode, topic: string, partition: number): void {
    const replica = `${node.id}/${topic}-${partition}`
    const end = this.#lastEnds.get(replica)
    if (end !== undefined) this.#droppedEnds.set(replica, end)
    this.#lastEnds.delete(replica)
    this.#lostEnds.delete(replica)
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

  /** What a replica had that was reassigned away, as long as the leader's metadata does not say so. */
  #droppedEnd({ topic, partition, state }: HostedPartition, id: number): number {
    return state.replicas.includes(id) ? (this.#droppedEnds.get(`${id}/${topic}-${partition}`) ?? 0) : 0
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
   * So does one that was reassigned away, until the leader can know: then it is as if the records had been acknowledged before.
   */
  #acknowledged(leader: SimNode, hosted: HostedPartition, lastOffset: number): void {
    const { topic, partition } = hosted
    const replicas = this.nodes.filter((node) => {
      const log = node.hosted(topic, partition)?.log
      const end = log
        ? this.promise === 'disk'
          ? log.durableOffset
          : log.writtenOffset
        : (this.#lastEnds.get(`${node.id}/${topic}-${partition}`) ?? this.#droppedEnd(hosted, node.id))
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
      for (const hosted of node.manager?.all() ?? []) this.#checkReplica(node, hosted)
    }
    if (ledger.failure) throw ledger.failure
  }

  /** After every event, of every replica: no string is made here. */
  #checkReplica(node: SimNode, hosted: HostedPartition): void {
    let names = this.#names.get(hosted)
    if (!names) {
      const key = `${hosted.topic}-${hosted.partition}`
      this.#names.set(hosted, (names = { key, replica: `${node.id}/${key}` }))
    }
    const { key, replica } = names
    this.ledger.look(node.id, key, hosted, this.#mended.has(hosted) || this.faults.flipped.has(replica))
    this.#lastEnds.set(replica, this.promise === 'disk' ? hosted.log.durableOffset : hosted.log.writtenOffset)
    if (this.#lostEnds.size > 0) this.#noteCommitted(node, hosted)
    this.#noteRole(hosted)
  }

  #noteController(node: SimNode): void {
    const term = `${node.id} ${node.image!.controllerEpoch}`
    if (this.#controllers.has(term)) return
    this.#controllers.add(term)
    this.counts.add('controller elected')
  }

  #noteRole(hosted: HostedPartition): void {
    const { role, leaderEpoch, isr } = hosted.state
    const before = this.#roles.get(hosted)
    if (role !== 'leader') {
      if (before) this.#roles.delete(hosted)
      return
    }
    if (before?.leaderEpoch === leaderEpoch && before.isr === isr) return
    this.#roles.set(hosted, { leaderEpoch, isr })
    if (before?.leaderEpoch !== leaderEpoch) this.counts.add('leader elected')
    else if (before.isr.length !== isr.length) this.counts.add(isr.length < before.isr.length ? 'ISR shrinks' : 'ISR grows')
  }

  #quietSoon(): void {
    this.world.after(QUIET_EVERY_MS, () => {
      this.#quietSoon()
      this.#eachPartition((topic, partition) => this.#compare(topic, partition))
    })
  }

  #eachPartition(task: (topic: string, partition: number) => void): void {
    for (const { topic, partitions } of this.topics) for (let partition = 0; partition < partitions; partition++) task(topic, partition)
  }

  /** Replicas that run agree below the smaller high watermark. */
  #compare(topic: string, partition: number): void {
    const key = `${topic}-${partition}`
    let first: { id: number; bytes: Buffer } | undefined
    const hosted = this.nodes
      .filter(({ id }) => !this.faults.flipped.has(`${id}/${key}`))
      .map((node) => ({ id: node.id, hosted: node.hosted(topic, partition) }))
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

  #partitions(topic: string): readonly PartitionImage[] {
    return this.nodes.find(({ image }) => image?.topics.has(topic))?.image!.topics.get(topic)!.partitions ?? []
  }

  async #recover(): Promise<void> {
    this.log('everything heals')
    this.faults.end()
    const boot = (): void => {
      for (const node of this.nodes) node.boot()
    }
    boot()
    const isWhole = (topic: TopicImage | undefined): boolean =>
      topic?.partitions.every((state) => state.leader !== -1 && state.isr.length === state.replicas.length && !isReassigning(state)) ===
      true
    const whole = (): boolean => this.nodes.every(({ image }) => this.topics.every(({ topic }) => isWhole(image?.topics.get(topic))))
    await this.#until(20_000, 'the cluster is not whole', whole, () => this.faults.mend())
    const healed = this.world.now
    for (const producer of this.#producers) producer.stopped = true
    const waits = (): string => `not every record was acknowledged (${this.#producers.map(({ waitsFor }) => waitsFor).join(', ')})`
    await this.#until(
      20_000,
      waits,
      () => this.#producers.every(({ isDone }) => isDone),
      () => this.faults.mend(),
    )
    await this.#restGroups(healed)
    await this.#until(20_000, 'the cluster did not become whole again', whole, () => this.faults.mend())
    await this.#until(
      20_000,
      'replicas are not where the metadata has them',
      () => this.#isInPlace,
      () => this.faults.mend(),
    )
    const caughtUp = (): boolean =>
      this.nodes.every((node) => [...(node.manager?.all() ?? [])].every(({ log, state }) => state.highWatermark === log.logEndOffset))
    await this.#until(5000, 'the high watermarks do not reach the ends', caughtUp)
    this.#eachPartition((topic, partition) => this.#compare(topic, partition))
    for (let partition = 0; partition < PARTITIONS; partition++) this.#judge(partition)
    await this.#judgeGroups()
    if (this.ledger.failure) throw this.ledger.failure
  }

  /** Who is a replica has one, and nobody else. */
  get #isInPlace(): boolean {
    return this.topics.every(({ topic }) =>
      this.#partitions(topic).every(({ partition, replicas }) =>
        this.nodes.every((node) => replicas.includes(node.id) === (node.hosted(topic, partition) !== undefined)),
      ),
    )
  }

  /** Every group has its members and takes commits again; then they stop. */
  async #restGroups(healed: number): Promise<void> {
    const groups = this.#groups
    if (!groups) return
    await this.#until(
      20_000,
      () => `no commit of ${groups.missing(healed)}`,
      () => groups.missing(healed) === '',
      () => this.faults.mend(),
    )
    groups.stop()
    // What was sent twice, or late, has arrived a second after the last of the faults.
    await this.#until(5000, 'a commit has no end', () => groups.isDone && this.world.now > healed + 1000)
  }

  async #judgeGroups(): Promise<void> {
    const groups = this.#groups
    if (!groups) return
    groups.judge()
    if (this.ledger.failure) throw this.ledger.failure
    await this.#until(20_000, 'the offsets could not be fetched in the end', groups.fetchAll())
  }

  /** Every replica: each acknowledged record exactly once, where it was acknowledged, each producer's in its order. */
  #judge(partition: number): void {
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
          ({ topic, partition, state, log, damage }) =>
            `${topic}-${partition} ${state.role} epoch ${state.leaderEpoch} [${log.logStartOffset}, ${log.logEndOffset}) hw ${state.highWatermark} isr ${state.isr.join()}${damage ? ' damaged' : ''}${log.failure ? ' failed' : ''}`,
        )
        return `n${node.id} ${node.member?.role ?? 'down'} ${node.control?.health.state ?? ''}${node.control?.controller ? ' controller' : ''}: ${roles.join('; ')}`
      })
      .join(' | ')
  }

  /** The segment files of a replica that nothing is appended to any more. */
  closedSegments(node: SimNode, topic: string, partition: number): string[] {
    const log = node.hosted(topic, partition)?.log
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
