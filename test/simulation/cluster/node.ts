// One simulated node: its ensemble member, its control plane and its replicas with the code of the product, over virtual time, on disks that
// lose what was not synced. Only the glue that lies in `broker/` between threads is made anew here. Lives end by `kill` and begin by `boot`.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { LinkKind } from '../../../src/broker/link-kinds.js'
import { decisionOf, undecided } from '../../../src/broker/hosting.js'
import { ReplicaReports } from '../../../src/broker/replica-reports.js'
import { brokerDirectory, WorkerReplication } from '../../../src/broker/worker-replication.js'
import { ControllerNode } from '../../../src/controller/controller-node.js'
import type { MetadataImage } from '../../../src/controller/image.js'
import { Lease } from '../../../src/controller/lease.js'
import type { EnsembleConfig } from '../../../src/ensemble/quorum/config.js'
import type { ZnodeClient } from '../../../src/ensemble/znode-client.js'
import { QuorumMember } from '../../../src/ensemble/quorum/quorum-member.js'
import type { PeerTransport } from '../../../src/ensemble/quorum/transport.js'
import type { Logger } from '../../../src/env/env.js'
import { type LinkDoor, LinkStatus } from '../../../src/link/door.js'
import { decodeFetchAnswer } from '../../../src/replica/fetcher/messages.js'
import { defaultLogConfig } from '../../../src/log/config.js'
import { runPoolTask } from '../../../src/log/pool-tasks.js'
import { GROUP_METADATA_TOPIC, partitionDirName } from '../../../src/model/topic-partition.js'
import type { HostedPartition } from '../../../src/replica/hosted-partition.js'
import { type LogCheckpoint, ReplicaManager } from '../../../src/replica/replica-manager.js'
import { defaultReplicationSettings } from '../../../src/replica/settings.js'
import { COORDINATOR, type MemoryLinks, type MemoryNode } from '../../support/memory-links.js'
import type { SimulatedDisk } from '../support/disk.js'
import type { SimDisk } from '../support/member-disk.js'
import type { SimNetwork } from '../support/network.js'
import type { Counts, Life, SimWorld } from '../support/world.js'
import { NodeCoordinators } from './coordinators.js'
import { type Planted, plantInPartition, plantInSession } from './planted.js'

export const TICK_MS = 100
const SESSION_MS = 8 * TICK_MS
const SEGMENT_BYTES = 6000
/** Of a session: what goes to the ensemble. */
const SENT: ReadonlySet<string | symbol> = new Set([
  'sync',
  'create',
  'create2',
  'delete',
  'exists',
  'getData',
  'setData',
  'getChildren',
  'multi',
  'addWatch',
])

/** What goes with a process that is killed. */
export type Loss = 'nothing' | 'power' | 'disk'

export interface NodeOptions {
  readonly id: number
  readonly world: SimWorld
  readonly counts: Counts
  readonly config: EnsembleConfig
  readonly network: SimNetwork
  readonly links: MemoryLinks
  readonly memberDisk: SimDisk
  readonly disk: SimulatedDisk
  readonly promise: 'process' | 'disk'
  readonly planted: Planted | undefined
  log(line: string): void
  /** Whether the next answer to a fetch comes with a wrong bit. */
  tampers(): boolean
  /** A replica was reassigned away, and its log deleted, if there was one. */
  onDropped(node: SimNode, topic: string, partition: number): void
  /** A coordinator of the node was told that its records are committed. */
  onCoordinatorCommitted(node: SimNode, hosted: HostedPartition, lastOffset: number): void
  /** A replica was opened, or its log cut. */
  onOpened(node: SimNode, hosted: HostedPartition): void
}

export class SimNode {
  readonly id: number
  life: Life | undefined
  paused = false
  /** What it asks the ensemble for is sent then, in its order. */
  sessionSlowUntil = 0
  /** What it answers to other nodes as controller is sent then. */
  answersSlowUntil = 0
  member: QuorumMember | undefined
  control: ControllerNode | undefined
  manager: ReplicaManager | undefined
  replication: WorkerReplication | undefined
  coordinators: NodeCoordinators | undefined
  /** Settles when the last life has let go of its files. */
  gone: Promise<void> = Promise.resolve()
  readonly #options: NodeOptions
  readonly #checkpoints = new Map<string, LogCheckpoint>()
  /** By partition, how many of its replicas were here and went: the disk's double tells files apart by their names. */
  readonly #former = new Map<string, number>()
  #lostPower = false
  /** How often its data disk was replaced: names the directory. */
  #disk = 0
  #isNew = true
  #mayLead = false
  #lease: Lease | undefined
  #leaseUntil = -Infinity

  constructor(options: NodeOptions) {
    this.#options = options
    this.id = options.id
  }

  get isUp(): boolean {
    return this.life !== undefined
  }

  /** It may act as a leader, by its own clock. */
  get holdsLease(): boolean {
    return this.life !== undefined && this.life.env.clock.monotonic() < this.#leaseUntil
  }

  get image(): MetadataImage | undefined {
    return this.control?.view.image
  }

  /** It is up, and a replica that it should have could not be opened. */
  get lacksReplica(): boolean {
    if (!this.#mayLead || !this.manager) return false
    for (const topic of this.image?.topics.values() ?? [])
      for (const { partition, replicas } of topic.partitions)
        if (replicas.includes(this.id) && !this.manager.find(topic.name, partition)) return true
    return false
  }

  hosted(topic: string, partition: number): HostedPartition | undefined {
    return this.manager?.find(topic, partition)
  }

  boot(): void {
    if (this.life) return
    const { world, config, network, memberDisk, disk, links, counts } = this.#options
    disk.setFaults({})
    const life = world.life(this.#logger())
    this.life = life
    this.#mayLead = this.#options.planted === 'leadsBeforeAccepted'
    this.#options.log(`n${this.id} starts${this.#lostPower ? ' after a power loss' : ''}`)
    this.member = QuorumMember.open({
      dir: 'd',
      env: life.env,
      memberId: this.id,
      config,
      transport: this.#transport(network.transport(this.id), life),
      tickMs: TICK_MS,
      disk: memberDisk,
    })
    const link = links.start(this.id)
    link.setPeers(config.servers.map(({ id }) => id))
    void this.#join(life, this.member, link).catch((error: Error) => {
      if (!life.alive()) return
      // As a node whose start fails: whoever looks after it starts it again.
      counts.add('start failed')
      this.#options.log(`n${this.id} could not start: ${error.message}`)
      this.kill('nothing')
      world.after(world.between(50, 300), () => this.boot())
    })
  }

  #transport(inner: PeerTransport, life: Life): PeerTransport {
    return {
      ...inner,
      start: (handler) =>
        inner.start({
          onMessage: (from, bytes) => life.run(() => handler.onMessage(from, bytes)),
          onPeer: (id, up) => life.run(() => handler.onPeer(id, up)),
        }),
    }
  }

  async #join(life: Life, member: QuorumMember, link: MemoryNode): Promise<void> {
    const { env } = life
    const { planted } = this.#options
    let caughtUp: () => void = () => undefined
    const catchUp = new Promise<void>((resolve) => (caughtUp = resolve))
    const unclean = !this.#isNew
    const lostWrites = this.#lostPower && planted !== 'forgetsLostWrites'
    const control = await ControllerNode.start({
      env,
      nodeId: this.id,
      identity: `directory-${this.id}`,
      connect: async () => this.#slowed(plantInSession(planted, await member.connect(SESSION_MS)), life),
      rules: () => ({
        defaults: () => ({ numPartitions: 1, replicationFactor: 3 }),
        partitionRules: () => ({ minIsr: 2, uncleanElection: planted === 'staleReplicaElected' }),
        promisesDisk: (overrides) => overrides.get('millrace.ack') === 'disk',
        validateConfig: () => null,
        listDefault: () => '',
      }),
      announcement: () => ({
        endpoints: [{ name: 'PLAINTEXT', host: `n${this.id}`, port: 9092, securityProtocol: 'PLAINTEXT' }],
        rack: null,
        features: new Map(),
        logDirs: [planted === 'forgetsLostDirs' ? 'disk' : `disk-${this.#disk}`],
        uncleanShutdown: unclean,
        lostWrites,
      }),
      catchUp: () => catchUp,
      call: (peer, body, timeoutMs) => callController(link, peer, body, timeoutMs),
      deadlineMs: 2000,
    })
    if (!life.alive()) return
    this.control = control
    this.#isNew = false
    link.door(COORDINATOR).handle(LinkKind.control, (peer, parts, answer) => {
      parts.forEach(({ body }, index) => {
        void control.router.handle(peer, Uint8Array.from(body)).then((reply) => this.#late(() => answer(index, reply)))
      })
    })
    const health = new ReplicaReports({
      env,
      nodeId: this.id,
      send: (report) => control.api.reportReplicas(report),
      image: () => control.view.image,
      brokerEpoch: () => control.registration.epoch,
    })
    const manager = this.#replicas(life, control, health)
    this.manager = manager
    this.replication = new WorkerReplication({
      env,
      nodeId: this.id,
      replicas: manager,
      controller: control.api,
      image: () => control.view.image,
      settings: replicationSettings,
      onLogDamaged: ({ topic, partition, message }) => {
        this.#options.counts.add('damage found')
        this.#options.log(`n${this.id} ${topic}-${partition} is damaged: ${message}`)
        health.say(topic, partition, 'damaged')
      },
      onLogRepaired: ({ topic, partition }) => {
        this.#options.counts.add('damage mended')
        health.say(topic, partition, 'sound')
      },
      door: this.#tampered(link.door(0)),
    })
    this.coordinators = new NodeCoordinators({
      env,
      nodeId: this.id,
      manager,
      counts: this.#options.counts,
      planted,
      image: () => control.view.image,
      holdsLease: () => this.holdsLease,
      onCommitted: (hosted, lastOffset) => {
        if (life.alive()) this.#options.onCoordinatorCommitted(this, hosted, lastOffset)
      },
    })
    // One after the other: what is read and copied on the way ends in one order.
    let opening = Promise.resolve()
    const open = (): Promise<void> => {
      opening = opening.catch(() => undefined).then(() => this.#openAll(life, control, manager, link, health))
      return this.#options.world.track(opening)
    }
    control.registration.onHealth(() => health.look())
    control.view.onChange((_, changes) => {
      health.look()
      if (changes.some(({ kind }) => kind === 'broker' || kind === 'broker-gone')) this.replication?.brokersChanged()
      open().catch((error: Error) => this.#options.log(`n${this.id} could not open: ${error.message}`))
    })
    await open()
    caughtUp()
    await control.ready()
    if (!life.alive()) return
    control.registration.pastIsKnown()
    this.#lostPower = false
    this.#mayLead = true
    await open()
    if (!life.alive()) return
    this.#lease = new Lease({
      env,
      brokerId: this.id,
      view: control.view,
      client: () => control.client,
      brokerEpoch: () => control.registration.epoch,
      settled: () => opening,
      onDeadline: (until) => {
        if (life.alive()) this.#leaseUntil = until
      },
      onLost: () => {
        this.#options.counts.add('lease lost')
        manager.leaseLost()
      },
    })
  }

  #late(answer: () => void): void {
    const { world } = this.#options
    if (this.answersSlowUntil <= world.now) answer()
    else world.after(this.answersSlowUntil - world.now, answer)
  }

  /** Calls of a session take effect in their order, also those that wait. */
  #slowed(client: ZnodeClient, life: Life): ZnodeClient {
    const { world } = this.#options
    const waiting: (() => void)[] = []
    const send = (): void => {
      if (this.sessionSlowUntil > world.now) world.after(this.sessionSlowUntil - world.now, () => life.run(send))
      else for (const call of waiting.splice(0)) call()
    }
    return new Proxy(client, {
      get: (_, name) => {
        const member = Reflect.get(client, name, client) as unknown
        if (typeof member !== 'function') return member
        if (!SENT.has(name)) return member.bind(client) as unknown
        return (...args: unknown[]) => {
          const call = (): Promise<unknown> => Reflect.apply(member, client, args) as Promise<unknown>
          if (waiting.length === 0 && this.sessionSlowUntil <= world.now) return call()
          if (waiting.length === 0) world.after(this.sessionSlowUntil - world.now, () => life.run(send))
          return new Promise((resolve, reject) => waiting.push(() => void call().then(resolve, reject)))
        }
      },
    })
  }

  /** Answers to fetches may come with a bit of their records wrong (a disk or memory of the leader that did not notice). */
  #tampered(door: LinkDoor): LinkDoor {
    const { tampers, world, counts } = this.#options
    return {
      handle: (kind, handler) => door.handle(kind, handler),
      onPeer: (listener) => door.onPeer(listener),
      isUp: (peer) => door.isUp(peer),
      call: (peer, kind, parts, onAnswer, timeoutMs) =>
        door.call(
          peer,
          kind,
          parts,
          (index, body, status) => {
            // What a link's own checksum leaves to those of the batches.
            if (kind === LinkKind.replicaFetch && body.length > 300 && tampers()) {
              counts.add('damaged on the way')
              const { records } = decodeFetchAnswer(body)
              records[Math.floor(world.between(0, records.length))]! ^= 1
            }
            onAnswer(index, body, status)
          },
          timeoutMs,
        ),
    }
  }

  #replicas(life: Life, control: ControllerNode, health: ReplicaReports): ReplicaManager {
    const { world, promise, planted, counts } = this.#options
    return new ReplicaManager({
      env: life.env,
      nodeId: this.id,
      runInPool: (task) => world.track(runPoolTask(task)),
      settingsOf: () => ({
        log: { ...defaultLogConfig, ack: promise, segmentBytes: SEGMENT_BYTES, indexIntervalBytes: 512 },
        minInsyncReplicas: planted === 'ackBelowMinIsr' ? 1 : 2,
      }),
      replicationSettings,
      brokers: brokerDirectory(
        () => control.view.image,
        () => this.holdsLease,
      ),
      onCheckpointDue: (checkpoint) => {
        if (life.alive()) this.#checkpoints.set(partitionDirName(checkpoint.topic, checkpoint.partition), checkpoint)
      },
      onLogFailed: (topic, partition, _dir, error) => {
        if (!life.alive()) return
        counts.add('log out of service')
        this.#options.log(`n${this.id} ${topic}-${partition} is out of service: ${error.message}`)
        health.say(topic, partition, 'failed')
      },
      onLogFull: (topic, partition) => {
        if (life.alive()) health.full(topic, partition)
      },
      moveBytesPerSecond: () => Infinity,
      onMovePrepared: () => Promise.resolve(),
      onMoveEnded: () => undefined,
      onRecoveryProgress: () => undefined,
    })
  }

  async #openAll(life: Life, control: ControllerNode, manager: ReplicaManager, link: MemoryNode, health: ReplicaReports): Promise<void> {
    for (const topic of control.view.image.topics.values()) {
      const owners = Int16Array.from(topic.partitions, ({ replicas }) => (replicas.includes(this.id) ? 0 : -1))
      for (const state of topic.partitions) {
        const { partition, replicas, offline } = state
        if (!life.alive()) return
        const goes = this.#options.planted === 'dropsBeforeCaughtUp' && state.removingReplicas.includes(this.id)
        if (!replicas.includes(this.id) || goes) {
          await this.#drop(manager, topic.name, partition)
          continue
        }
        const known = manager.find(topic.name, partition)
        const name = partitionDirName(topic.name, partition)
        const checkpoint = this.#checkpoints.get(name)
        const dir = join(this.#options.disk.root, String(this.#former.get(name) ?? 0), name)
        if (!known) mkdirSync(dir, { recursive: true })
        await manager.open({
          topic: topic.name,
          topicId: topic.id,
          partition,
          dir,
          cleanShutdown: false,
          recoveryPoint: checkpoint?.recoveryPoint ?? 0,
          logStartOffset: checkpoint?.logStartOffset ?? 0,
          cleanerOffset: undefined,
          decision: state.leader === this.id && !this.#mayLead ? undecided(replicas) : decisionOf(state),
          ...(checkpoint === undefined ? {} : { highWatermark: checkpoint.highWatermark }),
        })
        const hosted = manager.find(topic.name, partition)
        if (hosted?.isSound && offline.includes(this.id)) health.say(topic.name, partition, 'sound')
        if (!known && hosted && life.alive()) {
          plantInPartition(this.#options.planted, hosted)
          this.#options.onOpened(this, hosted)
        }
      }
      link.setPlacement(topic.id, owners)
    }
    const groupTopic = control.view.image.topics.get(GROUP_METADATA_TOPIC)
    for (const { partition } of groupTopic?.partitions ?? []) if (life.alive()) this.coordinators?.decided(partition)
  }

  /** The partition was reassigned away, now or while this node was down. */
  async #drop(manager: ReplicaManager, topic: string, partition: number): Promise<void> {
    const name = partitionDirName(topic, partition)
    if (manager.find(topic, partition)) {
      this.#options.counts.add('replica dropped')
      this.#options.log(`n${this.id} drops ${name}`)
      await manager.deleteReplica(topic, partition)
      this.#checkpoints.delete(name)
      this.#former.set(name, (this.#former.get(name) ?? 0) + 1)
    }
    this.#options.onDropped(this, topic, partition)
  }

  /** The process is gone; with `power` also what the machine had in memory; or the data disk, while it is away. */
  kill(loses: Loss): void {
    const { life, manager, control } = this
    if (!life) return
    const { memberDisk, network, links, disk, counts, world } = this.#options
    life.kill()
    this.#lease?.close()
    this.#lease = undefined
    this.#leaseUntil = -Infinity
    this.paused = false
    this.sessionSlowUntil = this.answersSlowUntil = 0
    memberDisk.crash()
    network.remove(this.id)
    links.stop(this.id)
    control?.candidate.stop()
    control?.registration.stop()
    control?.view.close()
    this.life = this.member = this.manager = this.control = this.replication = this.coordinators = undefined
    if (loses === 'power') this.#lostPower = true
    const closed = manager ? manager.close(false).then(() => undefined) : Promise.resolve()
    this.gone = world.track(
      closed.then(() => {
        if (loses === 'disk') this.#replaceDisk()
        if (loses !== 'power') return
        const { bytes, torn } = disk.crash()
        counts.add('bytes lost with the power', bytes)
        counts.add('torn write', torn)
      }),
    )
  }

  #replaceDisk(): void {
    this.#checkpoints.clear()
    this.#options.disk.replace()
    this.#disk++
  }

  pause(): void {
    this.paused = true
    this.life?.pause()
  }

  resume(): void {
    this.paused = false
    this.life?.resume()
  }

  #logger(): Logger {
    const say = (fields: object, text: string): void => {
      this.#options.log(`n${this.id} ${text} ${JSON.stringify(fields, (_, v: unknown) => (typeof v === 'bigint' ? v.toString() : v))}`)
    }
    const logger: Logger = { debug: () => undefined, info: say, warn: say, error: say, child: () => logger }
    return logger
  }
}

function replicationSettings() {
  return { ...defaultReplicationSettings, lagTimeMaxMs: 600, fetchWaitMaxMs: 60, fetchBackoffMs: 100, fetchMaxBytes: 3000 }
}

async function callController(link: MemoryNode, peer: number, body: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
  let reply: Uint8Array | undefined
  await link.door(COORDINATOR).call(
    peer,
    LinkKind.control,
    [{ topicId: null, partition: 0, body }],
    (_, answer, status) => {
      if (status === LinkStatus.ok) reply = Uint8Array.from(answer)
    },
    timeoutMs,
  )
  if (reply === undefined) throw new Error(`node ${peer} could not answer`)
  return reply
}
