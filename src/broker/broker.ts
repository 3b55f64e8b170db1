// One node put together, on the thread coordinator: data directories, the ensemble member, the controller, the placement of partitions on
// workers, the workers themselves. Owns what there is once per node; touches no record and no connection.

import { join } from 'node:path'
import type { MessagePort } from 'node:worker_threads'
import type { ControllerApi } from '../controller/controller-api.js'
import { ControllerNode } from '../controller/controller-node.js'
import type { BrokerEndpoint, MetadataChange, MetadataImage, PartitionImage, TopicImage } from '../controller/image.js'
import { Member } from '../ensemble/member.js'
import type { Env, Logger } from '../env/env.js'
import { realEnv } from '../env/real.js'
import { native } from '../log/native.js'
import type { PoolTask } from '../log/pool-tasks.js'
import { partitionDirName } from '../model/topic-partition.js'
import type { MoveRequest } from '../replica/log-moves.js'
import type { LogCheckpoint, OpenPartition } from '../replica/replica-manager.js'
import type { MailboxHandler } from '../threads/mailbox.js'
import { Placement } from '../threads/placement.js'
import { BackgroundPool } from '../threads/pool.js'
import type { ClusterOptions } from './cluster-options.js'
import { ConfigStore } from './config/config-store.js'
import { controllerRules } from './controller-rules.js'
import { DataDirs } from './data-dirs.js'
import type { ControllerCall, ListenCommand, LogFailure, MoveEnded, MovePrepared, WorkerInit, WorkerUpdate } from './messages.js'
import { ReplicaMoves } from './replica-moves.js'
import type { QuorumMember } from './handlers/services.js'
import type { BrokerWorker } from './worker.js'
import { WorkerPool } from './worker-pool.js'

export interface BrokerOptions {
  readonly nodeId: number
  readonly dataDirs: readonly string[]
  /** Empty: no sockets, only in-process connections. */
  readonly listen: readonly { readonly host: string; readonly port: number }[]
  /** What clients are told instead of the listening address (`--advertise`). */
  readonly advertise?: { readonly host: string; readonly port: number }
  /** 0: partitions run on the calling thread. */
  readonly workers: number
  /** Absent: alone. */
  readonly cluster?: ClusterOptions
  /** Static settings, already validated. */
  readonly properties: ReadonlyMap<string, string>
  readonly logger: Logger
  readonly logLevel?: string
  onProgress?(text: string): void
}

export interface Broker {
  readonly nodeId: number
  readonly clusterId: string
  /** Real ports, in the order of `listen`. */
  readonly addresses: readonly { readonly host: string; readonly port: number }[]
  readonly startMs: number
  /** The only worker, on this thread, with `workers: 0`. */
  readonly localWorker: BrokerWorker | undefined
  /** Hands one end of an in-process conversation to a worker. */
  connectInProcess(port: MessagePort): void
  /** Ends a worker as a crash would: for tests. */
  killWorker(worker: number): Promise<void>
  close(): Promise<void>
}

const WILDCARDS: ReadonlySet<string> = new Set(['', '0.0.0.0', '::', '[::]'])

/** Starts a node. Rejects, with everything released, when a directory or a port cannot be had. */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const node = new Node(options, realEnv(options.logger))
  try {
    await node.start()
  } catch (error) {
    await node.close().catch((cause: Error) => options.logger.error({ error: cause.message }, 'releasing what had started failed'))
    throw error
  }
  return node
}

class Node implements Broker {
  readonly nodeId: number
  addresses: readonly { readonly host: string; readonly port: number }[] = []
  startMs = 0
  private readonly options: BrokerOptions
  private readonly env: Env
  private readonly pool: BackgroundPool
  private readonly placement: Placement
  private dirs: DataDirs | undefined
  private member: Member | undefined
  private control: ControllerNode | undefined
  private configs: ConfigStore | undefined
  private workers: WorkerPool | undefined
  private moves: ReplicaMoves | undefined
  private listeners: readonly ListenCommand[] = []
  /** Settles when every change published so far is in force on every worker. */
  private broadcasts: Promise<unknown> = Promise.resolve()
  private nextConnection = 0
  private closing: Promise<void> | undefined

  constructor(options: BrokerOptions, env: Env) {
    this.options = options
    this.env = env
    this.nodeId = options.nodeId
    this.pool = new BackgroundPool(2)
    this.placement = new Placement(Math.max(1, options.workers))
  }

  get clusterId(): string {
    return this.image.clusterId
  }

  /** The newest one this node has. */
  private get image(): MetadataImage {
    return this.control!.view.image
  }

  get localWorker(): BrokerWorker | undefined {
    return this.workers?.local
  }

  async start(): Promise<void> {
    const { clock } = this.env
    const started = clock.monotonic()
    const reserved = this.reservePorts()
    this.workers = this.startWorkers()
    try {
      this.dirs = DataDirs.open(
        this.options.dataDirs,
        this.nodeId,
        this.env,
        this.options.properties.get('millrace.accept.empty.log.dirs') === 'true',
      )
      this.member = Member.open({ dir: join(this.options.dataDirs[0]!, 'ensemble'), env: this.env, memberId: this.nodeId })
      this.control = await this.joinCluster(this.member, reserved)
      const { topics } = this.image
      this.dirs.setAsideStrays((topic, partition) => partition < (topics.get(topic)?.partitions.length ?? 0))
      for (const topic of topics.values()) this.placement.assign(topic.name, this.hostedOf(topic))
      this.moves = this.replicaMoves(this.dirs, this.workers)
      const missed: [bigint, readonly MetadataChange[]][] = []
      let hear = (zxid: bigint, changes: readonly MetadataChange[]): void => void missed.push([zxid, changes])
      this.control.view.onChange((zxid, changes) => hear(zxid, changes))
      // Leader epochs that rise after a crash have risen BEFORE a partition opens.
      await Promise.all([this.control.ready(), this.workers.begin()])
      await this.openPartitions(this.workers)
      hear = (zxid, changes) => this.broadcast(zxid, changes)
      for (const [zxid, changes] of missed) hear(zxid, changes)
      await this.moves.resume()
      await Promise.all([this.listen(reserved), this.dirs.durable()])
      if (this.listeners.length > 0) await this.broadcasts
    } finally {
      for (const { fd } of reserved) if (fd >= 0) native().closeDescriptor(fd)
    }
    // Without listeners the engine lives as long as the process that embeds it has something to do.
    if (this.listeners.length === 0) this.workers.keepAlive(false)
    this.startMs = clock.monotonic() - started
  }

  connectInProcess(port: MessagePort): void {
    const worker = this.nextConnection++ % this.workers!.count
    this.workers!.caller(worker).notify('connect', { id: this.nextConnection, port }, [port])
  }

  killWorker(worker: number): Promise<void> {
    return this.workers!.kill(worker)
  }

  close(): Promise<void> {
    this.closing ??= this.shutDown()
    return this.closing
  }

  /** Workers first, so that nothing is written any more; then the checkpoints; the clean marker last of all. */
  private async shutDown(): Promise<void> {
    const checkpoints: LogCheckpoint[] = []
    let clean = true
    this.workers?.keepAlive(true)
    for (const caller of this.workers?.callers ?? []) {
      try {
        checkpoints.push(...(await caller.call<LogCheckpoint[]>('close', true)))
      } catch (error) {
        clean = false
        this.env.logger.error(
          { error: (error as Error).message },
          'a worker did not close cleanly; its partitions are recovered at the next start',
        )
      }
    }
    await this.workers?.close()
    await this.pool.close()
    await this.control?.close()
    await this.member?.close()
    this.dirs?.close(checkpoints, clean && this.workers !== undefined)
  }

  private joinCluster(member: Member, reserved: readonly { host: string; port: number }[]): Promise<ControllerNode> {
    const { nodeId, env } = this
    return ControllerNode.start({
      env,
      nodeId,
      identity: this.dirs!.identity,
      connect: () => member.connect(),
      onView: (view) => {
        this.configs = new ConfigStore({ nodeId, properties: this.options.properties }, () => view.image)
      },
      rules: () => controllerRules(this.configs!),
      announcement: () => ({
        endpoints: this.endpoints(reserved),
        rack: this.configs!.getString('broker.rack') || null,
        features: new Map(),
        logDirs: this.dirs!.ids,
        uncleanShutdown: member.stoppedUncleanly,
        lostWrites: member.stoppedUncleanly,
      }),
    })
  }

  private replicaMoves(dirs: DataDirs, workers: WorkerPool): ReplicaMoves {
    return new ReplicaMoves({
      env: this.env,
      dirs,
      ownerOf: (topic, partition) => {
        const owner = this.placement.table.get(topic)?.[partition]
        return owner === undefined || owner < 0 ? undefined : owner
      },
      askOwner: (worker, request) => workers.caller(worker).call('move', request),
    })
  }

  /** Binds every port alone first: a port that another process has is an error that says so. Port 0 becomes a real one here. */
  private reservePorts(): { host: string; port: number; fd: number }[] {
    const reserved: { host: string; port: number; fd: number }[] = []
    for (const { host, port } of this.options.listen) {
      try {
        const [fd, real] = native().listenSocket(WILDCARDS.has(host) ? '0.0.0.0' : host, port, 1, true)
        reserved.push({ host, port: real, fd })
      } catch (error) {
        for (const { fd } of reserved) native().closeDescriptor(fd)
        throw error
      }
    }
    return reserved
  }

  private async listen(reserved: { host: string; port: number; fd: number }[]): Promise<void> {
    this.addresses = reserved.map(({ host, port }) => ({ host, port }))
    this.listeners = reserved.map(({ host, port }, index) => ({
      name: listenerName(index),
      host: WILDCARDS.has(host) ? '0.0.0.0' : host,
      port,
    }))
    await Promise.all(this.workers!.callers.flatMap((caller) => this.listeners.map((command) => caller.call('listen', command))))
    for (const each of reserved) {
      native().closeDescriptor(each.fd)
      each.fd = -1
    }
  }

  /** A wildcard host is announced as '': each client is told the address it reached. */
  private endpoints(reserved: readonly { host: string; port: number }[]): BrokerEndpoint[] {
    const { advertise } = this.options
    return reserved.map(({ host, port }, index) => ({
      name: listenerName(index),
      host: advertise?.host ?? (WILDCARDS.has(host) ? '' : host),
      port: advertise?.port ?? port,
      securityProtocol: 'PLAINTEXT',
    }))
  }

  private startWorkers(): WorkerPool {
    const handlers = new Map<string, MailboxHandler>([
      ['controller', (call: ControllerCall) => this.callController(call)],
      ['quorum', () => this.quorum()],
      ['pool', (task: PoolTask) => this.pool.run(task)],
      ['move-replicas', (requests: readonly MoveRequest[]) => this.moves!.alter(requests)],
      ['move-prepared', ({ request, checkpoint }: MovePrepared) => this.dirs!.movePrepared(request, checkpoint)],
      ['move-ended', ({ request, moved }: MoveEnded) => this.dirs!.moveEnded(request, moved)],
      ['checkpoint', (checkpoint: LogCheckpoint) => this.dirs!.checkpoint(checkpoint)],
      [
        'log-failed',
        ({ topic, partition, dir, message }: LogFailure) =>
          this.env.logger.error({ topic, partition, dir, error: message }, 'a log is out of service'),
      ],
      ['recovery', (progress: { topic: string; partition: number; done: number; total: number }) => this.reportRecovery(progress)],
    ])
    return new WorkerPool({
      env: this.env,
      count: this.options.workers,
      handlers,
      initFor: (worker): WorkerInit => ({
        worker,
        nodeId: this.nodeId,
        properties: this.options.properties,
        logLevel: this.options.logLevel ?? 'silent',
        image: this.image,
        placement: this.placement.table,
        logDirs: this.dirs!.status(),
      }),
      replaced: (worker) => this.bringBack(worker),
    })
  }

  /** A worker with nothing to recover and nothing to listen on need not be waited for: what is asked of it waits in its mailbox. */
  private async openPartitions(workers: WorkerPool): Promise<void> {
    await Promise.all(
      workers.callers.map((caller, worker) => {
        const partitions = this.partitionsOf(worker)
        return partitions.length > 0 ? caller.call<void>('open', partitions) : Promise.resolve()
      }),
    )
  }

  /** A replaced worker opens what its predecessor had and listens where it listened. */
  private async bringBack(worker: number): Promise<void> {
    const caller = this.workers!.caller(worker)
    this.moves!.settle(worker)
    await caller.call('open', this.partitionsOf(worker, false))
    await Promise.all(this.listeners.map((command) => caller.call('listen', command)))
    await this.moves!.resume(worker)
  }

  private async callController({ method, args }: ControllerCall): Promise<unknown> {
    const call = this.control!.api[method as keyof ControllerApi] as (...values: readonly unknown[]) => Promise<unknown>
    const result = await call(...args)
    await this.broadcasts
    return result
  }

  /** An ensemble of one: its member leads. */
  private quorum(): QuorumMember[] {
    const zxid = this.member!.tree.lastZxid
    return [{ id: this.nodeId, host: '', port: 0, voter: true, leader: true, zxid, lagMs: 0, connected: true }]
  }

  private broadcast(zxid: bigint, changes: readonly MetadataChange[]): void {
    const placement: [string, Int16Array | null][] = []
    const opened: OpenPartition[][] = Array.from({ length: this.workers!.count }, () => [])
    for (const change of changes) {
      const topic = change.kind === 'topic' ? change.topic : change.kind === 'partitions' ? this.image.topics.get(change.topic) : undefined
      if (topic) {
        const changed = change.kind === 'partitions' ? change.partitions : topic.partitions
        if (this.placement.assign(topic.name, this.hostedOf(topic))) placement.push([topic.name, this.placement.table.get(topic.name)!])
        for (const { partition } of changed.filter((state) => this.isHosted(state)))
          opened[this.placement.table.get(topic.name)![partition]!]!.push(this.openPartition(topic, partition, false))
      } else if (change.kind === 'topic-deleted') {
        this.placement.remove(change.name)
        this.dirs!.forget(change.name)
        placement.push([change.name, null])
      }
    }
    const delta = { zxid, changes }
    const sent = this.workers!.callers.map((caller, worker) =>
      caller.call('update', { delta, placement, open: opened[worker]! } satisfies WorkerUpdate).catch((error: Error) => {
        // Its replacement starts from the newest image, so nothing is lost.
        this.env.logger.warn({ worker, error: error.message }, 'a worker did not take a metadata change')
      }),
    )
    this.broadcasts = Promise.all([this.broadcasts, ...sent])
  }

  private hostedOf(topic: TopicImage): number[] {
    return topic.partitions.filter((state) => this.isHosted(state)).map(({ partition }) => partition)
  }

  private isHosted(state: PartitionImage): boolean {
    return state.replicas.includes(this.nodeId)
  }

  private partitionsOf(worker: number, firstOpen = true): OpenPartition[] {
    const partitions: OpenPartition[] = []
    for (const topic of this.image.topics.values()) {
      const owners = this.placement.table.get(topic.name)
      owners?.forEach((owner, partition) => {
        if (owner !== worker) return
        const open = this.openPartition(topic, partition, true)
        partitions.push(firstOpen ? open : { ...open, cleanShutdown: false })
      })
    }
    return partitions
  }

  private openPartition(topic: TopicImage, partition: number, isOld: boolean): OpenPartition {
    const state = topic.partitions[partition]!
    const place = this.dirs!.placeFor(topic.name, partition, isOld)
    return {
      topic: topic.name,
      topicId: topic.id,
      partition,
      dir: join(place.path, partitionDirName(topic.name, partition)),
      cleanShutdown: place.cleanShutdown,
      recoveryPoint: place.recoveryPoint,
      logStartOffset: place.logStartOffset,
      cleanerOffset: place.cleanerOffset,
      highWatermark: place.highWatermark,
      decision: {
        leader: state.leader,
        leaderEpoch: state.leaderEpoch,
        isr: state.isr,
        replicas: state.replicas,
        partitionEpoch: state.partitionEpoch,
      },
      ...(place.offline === undefined ? {} : { offline: place.offline }),
    }
  }

  private reportRecovery({ topic, partition, done, total }: { topic: string; partition: number; done: number; total: number }): void {
    this.options.onProgress?.(`recovering ${topic}-${partition}: ${done} of ${total} segments`)
  }
}

function listenerName(index: number): string {
  return index === 0 ? 'PLAINTEXT' : `PLAINTEXT_${index + 1}`
}
