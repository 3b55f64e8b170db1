// One worker put together: its partitions, its coordinators, its connections, the handlers, and its mailboxes to the thread coordinator and
// to the other workers. Runs on a worker thread, or on the caller's thread with `workers: 0`.

import { controllerDoor, type ControllerApi } from '../controller/controller-api.js'
import { applyDelta, type MetadataImage } from '../controller/image.js'
import { isNotControllerError, noControllerResult } from '../controller/no-controller.js'
import { partitionForGroup } from '../coordinators/group/partition-for-group.js'
import type { Env } from '../env/env.js'
import { pauseFor } from '../env/pause.js'
import type { AppendResult, ReadPlan, RunInPool } from '../log/types.js'
import type { DirectBatch } from '../model/direct-batch.js'
import { GROUP_METADATA_TOPIC, type TopicPartition } from '../model/topic-partition.js'
import { throttlesIn } from '../replica/fetcher/byte-budget.js'
import type { MoveRequest } from '../replica/log-moves.js'
import { type LogCheckpoint, type OpenPartition, ReplicaManager } from '../replica/replica-manager.js'
import { type Caller, Mailbox, type MailboxHandler, type MailboxHandlers } from '../threads/mailbox.js'
import type { PlacementTable } from '../threads/placement.js'
import { ConfigStore } from './config/config-store.js'
import { FileRecords, ForeignRecords, OwnRecords } from './file-records.js'
import { GroupCoordinators } from './group-coordinators.js'
import { FetchSessions, randomSessionId } from './handlers/fetch-session.js'
import type { HandlerContext } from './handlers/handler.js'
import { handledKeys } from './handlers/index.js'
import { produceDirect } from './handlers/produce.js'
import type { BrokerServices } from './handlers/services.js'
import { InProcessConnection } from './in-process-connection.js'
import { LeaseCell } from './lease-cell.js'
import { startMaintenance } from './maintenance.js'
import type { LogFailure, PortMessage, WorkerInit, WorkerUpdate } from './messages.js'
import { PartitionService } from './partition-service.js'
import type { ProduceLane } from './produce-lane.js'
import { replicationSettings, topicSettings } from './replication-settings.js'
import { type Peer, RequestProcessor, type Respond } from './request-processor.js'
import { withFenced } from './fenced-image.js'
import { ensureGroupTopic } from './group-topic.js'
import { WorkerConnections } from './worker-connections.js'
import { brokerDirectory, WorkerReplication } from './worker-replication.js'

/** How long partitions are opened in one turn. */
const OPEN_SLICE_MS = 10

export class BrokerWorker {
  readonly replicas: ReplicaManager
  readonly processor: RequestProcessor
  private readonly init: WorkerInit
  private readonly context: HandlerContext
  private readonly env: Env
  private readonly main: Caller
  private readonly peers = new Map<number, Caller>()
  private readonly lanes = new Map<number, ProduceLane>()
  private readonly placement: PlacementTable
  private readonly configs: ConfigStore
  private readonly groups: GroupCoordinators
  private readonly partitions: PartitionService
  private readonly foreign: ForeignRecords
  private readonly connections: WorkerConnections
  private readonly endMaintenance: () => void
  private readonly fetchSessions: FetchSessions
  private readonly inProcess = new Set<InProcessConnection>()
  private readonly replication: WorkerReplication | undefined
  private readonly lease: LeaseCell | undefined
  private image: MetadataImage
  /** The newest image as a node without a lease sees it, once it was asked for. */
  private fenced: { readonly of: MetadataImage; readonly image: MetadataImage } | undefined
  private updates: Promise<void> = Promise.resolve()

  constructor(init: WorkerInit, env: Env, main: Caller) {
    this.init = init
    this.env = env
    this.main = main
    this.image = init.image
    this.lease = init.lease === null ? undefined : new LeaseCell(env.clock, init.lease)
    this.placement = new Map(init.placement)
    this.configs = new ConfigStore({ nodeId: init.nodeId, properties: init.properties }, () => this.image)
    const runInPool: RunInPool = (task) => main.call('pool', task)
    this.replicas = new ReplicaManager({
      env,
      nodeId: init.nodeId,
      runInPool,
      settingsOf: (topic) => topicSettings(this.configs, topic),
      replicationSettings: () => replicationSettings(this.configs),
      throttles: throttlesIn(init.throttles),
      brokers: brokerDirectory(() => this.image, this.lease && (() => this.holdsLease)),
      onCheckpointDue: (checkpoint) => main.notify('checkpoint', checkpoint),
      onLogFailed: (topic, partition, dir, error) =>
        main.notify('log-failed', { topic, partition, dir, message: error.message } satisfies LogFailure),
      onLogFull: (topic, partition) => main.notify('log-full', { topic, partition } satisfies TopicPartition),
      moveBytesPerSecond: () => this.configs.getNumber('replica.alter.log.dirs.io.max.bytes.per.second') / (this.peers.size + 1),
      onMovePrepared: (request, checkpoint) => main.call('move-prepared', { request, checkpoint }),
      onMoveEnded: (request, moved) => main.notify('move-ended', { request, moved }),
      onRecoveryProgress: (topic, partition, done, total) => main.notify('recovery', { topic, partition, done, total }),
    })
    this.foreign = new ForeignRecords(env)
    this.groups = new GroupCoordinators({ env, replicas: this.replicas, configs: this.configs, image: () => this.image })
    this.partitions = new PartitionService({
      env,
      worker: init.worker,
      replicas: this.replicas,
      placement: () => this.placement,
      peer: (worker) => this.peers.get(worker),
      lane: (worker) => this.lanes.get(worker),
      peers: () => [...this.peers.keys()],
      maxForwardedBytes: () => this.configs.getNumber('millrace.max.buffered.bytes'),
    })
    this.fetchSessions = new FetchSessions(this.configs.getNumber('max.incremental.fetch.session.cache.slots'), () =>
      randomSessionId(env.random),
    )
    this.context = this.handlerContext()
    this.processor = new RequestProcessor(this.context)
    this.connections = new WorkerConnections({
      env,
      worker: init.worker,
      configs: this.configs,
      counts: init.connectionCounts,
      main,
      handler: this.processor,
      peer: (worker) => this.peers.get(worker),
      sessions: this.fetchSessions,
    })
    if (init.replicates) this.replication = this.startReplication()
    this.replicas.scrub()
    this.endMaintenance = startMaintenance({
      env,
      configs: this.configs,
      replicas: this.replicas,
      onCheckpointsDue: () => {
        for (const checkpoint of this.replicas.checkpoints()) main.notify('checkpoint', checkpoint)
      },
    })
  }

  /** What the thread coordinator may ask. */
  handlers(): MailboxHandlers {
    return new Map<string, MailboxHandler>([
      ['open', (partitions: readonly OpenPartition[]) => this.open(partitions)],
      ['update', (update: WorkerUpdate) => this.update(update)],
      ...this.connections.handlers(),
      ['peer', ({ id, port }: PortMessage) => this.addPeer(id, port)],
      ['connect', ({ port }: PortMessage) => this.connect(port)],
      ['link', ({ port }: PortMessage) => this.replication?.attach(port)],
      ['lease-lost', () => this.replicas.leaseLost()],
      ['move', (request: MoveRequest) => this.replicas.move(request)],
      ['checkpoints', () => this.replicas.checkpoints()],
      ['close', (clean: boolean) => this.close(clean)],
    ])
  }

  /** Thousands come at once: others get a turn in between. What has to be scanned goes on beside. */
  async open(partitions: readonly OpenPartition[]): Promise<void> {
    const { clock, timers } = this.env
    const opening: Promise<unknown>[] = []
    let end = clock.monotonic() + OPEN_SLICE_MS
    for (const one of partitions) {
      opening.push(this.replicas.open(one).catch((error: unknown) => error ?? new Error('opening failed')))
      if (clock.monotonic() < end) continue
      await pauseFor(0, timers)
      end = clock.monotonic() + OPEN_SLICE_MS
    }
    const failure = (await Promise.all(opening)).find((outcome) => outcome !== undefined)
    if (failure !== undefined) throw failure
    for (const { topic, partition } of partitions) {
      if (topic === GROUP_METADATA_TOPIC && this.replicas.find(topic, partition)) this.groups.opened(partition)
      this.saySound(topic, partition)
    }
  }

  /** The metadata has a replica of this node as unusable: if that is over, the controller must hear, or the mark stays for ever. */
  private saySound(topic: string, partition: number): void {
    const isMarked = this.image.topics.get(topic)?.partitions[partition]?.offline.includes(this.init.nodeId) === true
    if (isMarked && this.replicas.find(topic, partition)?.isSound)
      this.main.notify('log-sound', { topic, partition } satisfies TopicPartition)
  }

  /** In the order they come: resolves when the change is in force here. */
  update(update: WorkerUpdate): Promise<void> {
    this.updates = this.updates.then(() => this.apply(update))
    return this.updates
  }

  addPeer(worker: number, port: PortMessage['port']): void {
    const lane = this.partitions.newLane((method, message) => mailbox.notify(method, message))
    const looks = this.partitions.watchedLooks((news) => mailbox.notify('told', news))
    const mailbox = new Mailbox(
      port,
      new Map<string, MailboxHandler>([
        ...this.partitions.handlers(),
        ...lane.handlers(),
        ...looks.handlers(),
        ...this.connections.peerHandlers(),
        ['group', (call: GroupCall) => this.callGroupHere(call)],
      ]),
    )
    this.peers.set(worker, mailbox)
    this.lanes.set(worker, lane)
    port.on('close', () => {
      lane.close()
      looks.endAll()
      if (this.peers.get(worker) !== mailbox) return
      this.peers.delete(worker)
      this.lanes.delete(worker)
    })
  }

  /** An in-process conversation over a message port. */
  connect(port: PortMessage['port']): void {
    const connection = new InProcessConnection(
      port,
      this.processor,
      (batch, done) => produceDirect(batch, this.context, done),
      () => this.inProcess.delete(connection),
    )
    this.inProcess.add(connection)
  }

  /** One request of a caller on this very thread (`workers: 0`). */
  request(peer: Peer, frame: Buffer, respond: Respond): void {
    this.processor.request(peer, frame, 0, frame.length, respond)
    this.processor.turnEnded()
  }

  /** One batch of a client on this very thread: what it wrote is answered before this returns, or when its promise holds. */
  produce(batch: DirectBatch, done: (result: AppendResult) => void): void {
    produceDirect(batch, this.context, done)
    this.processor.turnEnded()
  }

  /** Writes what was staged without waiting for the turn's end. */
  writeStaged(): void {
    this.replicas.flush()
  }

  private startReplication(): WorkerReplication {
    return new WorkerReplication({
      env: this.env,
      nodeId: this.init.nodeId,
      replicas: this.replicas,
      controller: this.controllerDoor(),
      image: () => this.image,
      settings: () => replicationSettings(this.configs),
      onLogDamaged: (damage) => this.main.notify('log-damaged', damage),
      onLogRepaired: ({ topic, partition }) => this.main.notify('log-sound', { topic, partition } satisfies TopicPartition),
    })
  }

  async close(clean: boolean): Promise<LogCheckpoint[]> {
    this.endMaintenance()
    this.connections.close()
    for (const connection of this.inProcess) connection.destroy('the node is stopping')
    this.groups.close()
    await this.updates.catch(() => {})
    const checkpoints = await this.replicas.close(clean)
    this.replication?.close()
    this.foreign.close()
    return checkpoints
  }

  private async apply({ delta, placement, open, drop }: WorkerUpdate): Promise<void> {
    this.image = applyDelta(this.image, delta)
    for (const [topic, owners] of placement) {
      if (owners) this.placement.set(topic, owners)
      else this.placement.delete(topic)
    }
    await this.open(open)
    for (const { topic, partition } of drop) {
      await this.replicas.deleteReplica(topic, partition)
      if (topic === GROUP_METADATA_TOPIC) this.groups.opened(partition)
    }
    if (delta.changes.some(({ kind }) => kind === 'broker' || kind === 'broker-gone')) this.replication?.brokersChanged()
    const deleted: string[] = []
    for (const change of delta.changes) {
      if (change.kind === 'topic-deleted') {
        deleted.push(change.name)
        await this.replicas.deleteTopic(change.name)
      } else if (change.kind === 'config' && change.resource === 'topic') this.replicas.reconfigure(change.name)
      else if (change.kind === 'config' && change.resource === 'broker') this.reconfigureAll()
    }
    if (deleted.length > 0) this.groups.topicsDeleted(deleted)
  }

  private reconfigureAll(): void {
    for (const topic of new Set([...this.replicas.all()].map((hosted) => hosted.topic))) this.replicas.reconfigure(topic)
  }

  private handlerContext(): HandlerContext {
    return { env: this.env, nodeId: this.init.nodeId, image: () => this.imageForClients(), services: this.services() }
  }

  private get holdsLease(): boolean {
    return this.lease?.isHeld() !== false
  }

  /** Without a lease this node tells clients of itself what the others will: that it is fenced, and leads nothing. They ask those others then. */
  private imageForClients(): MetadataImage {
    if (this.holdsLease) return this.image
    if (this.fenced?.of !== this.image) this.fenced = { of: this.image, image: withFenced(this.image, this.init.nodeId) }
    return this.fenced.image
  }

  private services(): BrokerServices {
    return {
      handledKeys,
      controller: this.controllerDoor(),
      quorum: () => this.main.call('quorum', null),
      configs: this.configs,
      partitions: this.partitions,
      fetchSessions: this.fetchSessions,
      openRecords: (topic, partition, plan) => this.openRecords(topic, partition, plan),
      logDirs: () => this.init.logDirs,
      moveReplicas: (moves) => this.main.call('move-replicas', moves),
      callGroupCoordinator: (partition, method, argument) => this.callGroup({ partition, method, argument }),
      groupPartitionFor: (groupId) => this.groupPartitionFor(groupId),
    }
  }

  private controllerDoor(): ControllerApi {
    return controllerDoor(async (method, args) => {
      try {
        return await this.main.call('controller', { method, args })
      } catch (error) {
        const result = isNotControllerError(error) ? noControllerResult(method, args) : undefined
        if (result === undefined) throw error
        return result
      }
    })
  }

  /** Returned as bytes to fit the `records` field: the codec reads its length and passes it on, the response writer reads the file. */
  private openRecords(topic: string, partition: number, plan: ReadPlan): Uint8Array {
    if (this.partitions.owner(topic, partition) === this.init.worker) {
      return new FileRecords(plan, new OwnRecords(this.replicas, topic, partition)) as unknown as Uint8Array
    }
    return new FileRecords(plan, this.foreign.acquire(plan)) as unknown as Uint8Array
  }

  private async callGroup(call: GroupCall): Promise<object> {
    const owner = this.partitions.owner(GROUP_METADATA_TOPIC, call.partition)
    if (owner === this.init.worker) return this.callGroupHere(call)
    const peer = this.peers.get(owner)
    if (!peer) throw new Error(`the worker of ${GROUP_METADATA_TOPIC}-${call.partition} is not there`)
    return peer.call('group', call)
  }

  private callGroupHere({ partition, method, argument }: GroupCall): Promise<object> {
    return this.groups.call(partition, method, argument)
  }

  private async groupPartitionFor(groupId: string): Promise<number> {
    const count = await ensureGroupTopic(() => this.image, this.configs, this.controllerDoor())
    return count > 0 ? partitionForGroup(groupId, count) : -1
  }
}

interface GroupCall {
  readonly partition: number
  readonly method: string
  readonly argument: object
}
