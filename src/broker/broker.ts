// One node put together, on the thread coordinator: data directories, the ensemble member, the controller, the placement of partitions on
// workers, the workers themselves. Owns what there is once per node; touches no record and no connection.

import type { MessagePort } from 'node:worker_threads'
import type { ControllerApi } from '../controller/controller-api.js'
import { ControllerNode } from '../controller/controller-node.js'
import { SUPPORTED_FEATURES } from '../controller/features.js'
import type { MetadataChange, MetadataImage } from '../controller/image.js'
import { ZkCode } from '../ensemble/tree/codes.js'
import { isZnodeError } from '../ensemble/znode-client.js'
import type { Env, Logger } from '../env/env.js'
import { realEnv, stayAlive } from '../env/real.js'
import type { PoolTask } from '../log/pool-tasks.js'
import type { TopicPartition } from '../model/topic-partition.js'
import { throttleMemory } from '../replica/fetcher/byte-budget.js'
import type { MoveRequest } from '../replica/log-moves.js'
import type { LogCheckpoint } from '../replica/replica-manager.js'
import type { LogDamage } from '../replica/replication.js'
import type { MailboxHandler } from '../threads/mailbox.js'
import { BackgroundPool } from '../threads/pool.js'
import { ALONE, type ClusterOptions } from './cluster-options.js'
import { ConfigStore } from './config/config-store.js'
import { controllerRules } from './controller-rules.js'
import { DataDirs } from './data-dirs.js'
import { Hosting, type HostingChange } from './hosting.js'
import { ConnectionCounts } from './connection-counts.js'
import { LinkKind } from './link-kinds.js'
import type { ControllerCall, ListenCommand, LogFailure, MoveEnded, MovePrepared, WorkerInit } from './messages.js'
import { MetadataBroadcast } from './metadata-broadcast.js'
import { type NodeEnsemble, openEnsemble } from './node-ensemble.js'
import { NodeConnections } from './node-connections.js'
import { NodeQuorum } from './node-quorum.js'
import { NodeReplication } from './node-replication.js'
import { RecoveryThreads } from './recovery-threads.js'
import { ReplicaMoves } from './replica-moves.js'
import { type HostPort, ReservedPorts } from './reserved-ports.js'
import type { BrokerWorker } from './worker.js'
import { WorkerPool } from './worker-pool.js'

export interface BrokerOptions {
  readonly nodeId: number
  readonly dataDirs: readonly string[]
  /** Empty: no sockets, only in-process connections. */
  readonly listen: readonly HostPort[]
  /** What clients are told instead of the listening address (`--advertise`). */
  readonly advertise?: HostPort
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
  readonly addresses: readonly HostPort[]
  readonly startMs: number
  /** The only worker, on this thread, with `workers: 0`. */
  readonly localWorker: BrokerWorker | undefined
  /** Hands one end of an in-process conversation to a worker. */
  connectInProcess(port: MessagePort): void
  /** Ends a worker as a crash would: for tests. */
  killWorker(worker: number): Promise<void>
  close(): Promise<void>
}

/** Starts a node. Rejects, with everything released, when a directory or a port cannot be had. */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const node = new Node(options, realEnv(options.logger))
  try {
    await stayAlive(node.start())
  } catch (error) {
    await node.close().catch((cause: Error) => options.logger.error({ error: cause.message }, 'releasing what had started failed'))
    throw error
  }
  return node
}

class Node implements Broker {
  readonly nodeId: number
  addresses: readonly HostPort[] = []
  startMs = 0
  private readonly options: BrokerOptions
  private readonly env: Env
  private readonly pool: BackgroundPool
  private readonly hosting: Hosting
  private readonly broadcast: MetadataBroadcast
  private readonly connections: NodeConnections
  private readonly recoveryThreads: RecoveryThreads
  private dirs: DataDirs | undefined
  private readonly cluster: ClusterOptions
  private ensemble: NodeEnsemble | undefined
  private readonly quorum: NodeQuorum
  private control: ControllerNode | undefined
  /** Null: alone. */
  private readonly replication: NodeReplication | null
  private readonly throttles = throttleMemory()
  private readonly connectionCounts: SharedArrayBuffer
  private configs: ConfigStore | undefined
  private workers: WorkerPool | undefined
  private moves: ReplicaMoves | undefined
  private listeners: readonly ListenCommand[] = []
  private nextConnection = 0
  private closing: Promise<void> | undefined

  constructor(options: BrokerOptions, env: Env) {
    this.options = options
    this.env = env
    this.nodeId = options.nodeId
    // Enough for the scans that num.recovery.threads.per.data.dir asks for; threads start when they have something to do.
    this.pool = new BackgroundPool(() => Math.max(2, this.recoveryThreadsPerDir() * options.dataDirs.length))
    this.recoveryThreads = new RecoveryThreads(() => this.recoveryThreadsPerDir(), this.pool.run)
    this.connections = new NodeConnections({ env, configs: () => this.configs!, callers: () => this.workers!.callers })
    this.connectionCounts = ConnectionCounts.memory(options.workers)
    this.cluster = options.cluster ?? ALONE
    // There are others, or there may be.
    const replicates = this.cluster.link !== null
    this.hosting = new Hosting(options.nodeId, options.workers, () => this.dirs!, !replicates)
    this.broadcast = new MetadataBroadcast({
      logger: env.logger,
      hosting: this.hosting,
      image: () => this.image,
      callers: () => this.workers!.callers,
      followed: (changes, placement) => this.followed(changes, placement),
    })
    this.quorum = new NodeQuorum({
      clock: env.clock,
      server: () => this.ensemble?.server ?? null,
      // Only a node that has others has a leader elsewhere.
      call: (peer, body, timeoutMs) => this.replication!.call(peer, LinkKind.quorum, body, timeoutMs),
    })
    this.replication = replicates ? this.replicationTo(options) : null
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
    const ports = ReservedPorts.bind(this.options.listen)
    this.workers = this.startWorkers()
    try {
      this.dirs = DataDirs.open(
        this.options.dataDirs,
        this.nodeId,
        this.env,
        this.options.properties.get('millrace.accept.empty.log.dirs') === 'true',
      )
      this.ensemble = await openEnsemble({ env: this.env, nodeId: this.nodeId, dataDir: this.options.dataDirs[0]!, cluster: this.cluster })
      this.control = await this.joinCluster(this.ensemble, ports)
      this.replication?.joined(this.control)
      const { image } = this
      this.dirs.setAsideStrays((topic, partition) => this.hosting.isHosted(image, topic, partition))
      this.hosting.assignAll(image)
      this.moves = this.replicaMoves(this.dirs, this.workers)
      this.control.view.onChange((zxid, changes) => this.broadcast.hear(zxid, changes))
      // Alone: leader epochs that rise after a crash have risen BEFORE a partition opens. With others: it leads nothing before all are open.
      await Promise.all([this.replication ? this.replication.clusterIsMade() : this.control.ready(), this.workers.begin()])
      await this.replication?.startLinks()
      await this.openPartitions(this.workers)
      this.broadcast.begin()
      await this.moves.resume()
      await Promise.all([this.listen(ports), this.dirs.durable()])
      this.replication?.caughtUp()
      await this.control.ready()
      this.control.registration.pastIsKnown()
      this.dirs.lossIsKnown()
      if (this.replication) {
        this.hosting.mayLead = true
        await this.openPartitions(this.workers)
        await this.replication.holdLease()
      }
      if (this.listeners.length > 0) await this.broadcast.settled
    } finally {
      ports.release()
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
    this.closing ??= stayAlive(this.shutDown())
    return this.closing
  }

  /** Workers first, so that nothing is written any more; then the checkpoints; the clean marker last of all. */
  private async shutDown(): Promise<void> {
    const checkpoints: LogCheckpoint[] = []
    let clean = true
    this.workers?.keepAlive(true)
    if (this.replication && this.configs?.getBoolean('controlled.shutdown.enable')) await this.replication.handOver()
    this.replication?.reports.close()
    this.broadcast.end()
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
    this.replication?.endLease()
    this.connections.close()
    await this.workers?.close()
    await this.pool.close()
    // The directories are closed in any case.
    for (const part of [this.replication, this.control, this.ensemble]) {
      await part?.close().catch((error: Error) => {
        // An ensemble that is gone cannot be told; the session's end tells it.
        const level = isZnodeError(error, ZkCode.connectionLoss) ? 'info' : 'warn'
        this.env.logger[level]({ error: error.message }, 'a part of the node did not close cleanly')
      })
    }
    this.dirs?.close(checkpoints, clean && this.workers !== undefined)
  }

  private joinCluster(ensemble: NodeEnsemble, ports: ReservedPorts): Promise<ControllerNode> {
    const { nodeId, env, replication } = this
    const dirs = this.dirs!
    const unclean = ensemble.stoppedUncleanly ?? dirs.stoppedUncleanly
    return ControllerNode.start({
      env,
      nodeId,
      identity: dirs.identity,
      connect: () => ensemble.connect(),
      onView: (view) => {
        this.configs = new ConfigStore({ nodeId, properties: this.options.properties }, () => view.image)
      },
      rules: () => controllerRules(this.configs!),
      announcement: () => ({
        endpoints: [...ports.endpoints(this.options.advertise), ...(replication ? [replication.endpoint()] : [])],
        rack: this.configs!.getString('broker.rack') || null,
        features: SUPPORTED_FEATURES,
        logDirs: dirs.ids,
        uncleanShutdown: unclean,
        // Alone there is nobody who could have more: the epochs rise, and that is all.
        lostWrites: replication ? dirs.lostWrites : unclean,
      }),
      ...(replication
        ? {
            catchUp: () => replication.catchUp,
            call: (peer, body, timeoutMs) => replication.call(peer, LinkKind.control, body, timeoutMs),
          }
        : {}),
    })
  }

  private recoveryThreadsPerDir(): number {
    return this.configs!.getNumber('num.recovery.threads.per.data.dir')
  }

  private replicationTo({ nodeId, logLevel }: BrokerOptions): NodeReplication {
    return new NodeReplication({
      env: this.env,
      nodeId,
      cluster: this.cluster,
      logLevel: logLevel ?? 'silent',
      placement: () => this.hosting.table,
      callers: () => this.workers!.callers,
      settled: () => this.broadcast.settled,
      answerQuorum: () => this.quorum.answer(),
    })
  }

  private replicaMoves(dirs: DataDirs, workers: WorkerPool): ReplicaMoves {
    return new ReplicaMoves({
      env: this.env,
      dirs,
      ownerOf: (topic, partition) => {
        const owner = this.hosting.table.get(topic)?.[partition]
        return owner === undefined || owner < 0 ? undefined : owner
      },
      askOwner: (worker, request) => workers.caller(worker).call('move', request),
    })
  }

  private async listen(ports: ReservedPorts): Promise<void> {
    this.addresses = ports.addresses
    this.listeners = this.connections.begin(ports.listeners)
    await Promise.all(this.workers!.callers.flatMap((caller) => this.listeners.map((command) => caller.call('listen', command))))
    ports.release()
  }

  private startWorkers(): WorkerPool {
    const handlers = new Map<string, MailboxHandler>([
      ['controller', (call: ControllerCall) => this.callController(call)],
      ['quorum', () => this.quorum.describe()],
      ['pool', (task: PoolTask) => this.recoveryThreads.submit(task)],
      ...this.connections.handlers(),
      ['move-replicas', (requests: readonly MoveRequest[]) => this.moves!.alter(requests)],
      ['move-prepared', ({ request, checkpoint }: MovePrepared) => this.dirs!.movePrepared(request, checkpoint)],
      ['move-ended', ({ request, moved }: MoveEnded) => this.dirs!.moveEnded(request, moved)],
      ['checkpoint', (checkpoint: LogCheckpoint) => this.dirs!.checkpoint(checkpoint)],
      [
        'log-failed',
        ({ topic, partition, dir, message }: LogFailure) => {
          this.env.logger.error({ topic, partition, dir, error: message }, 'a log is out of service')
          this.replication?.reports.say(topic, partition, 'failed')
        },
      ],
      ['log-full', ({ topic, partition }: TopicPartition) => this.replication?.reports.full(topic, partition)],
      ['log-damaged', ({ topic, partition }: LogDamage) => this.replication?.reports.say(topic, partition, 'damaged')],
      ['log-sound', ({ topic, partition }: TopicPartition) => this.replication?.reports.say(topic, partition, 'sound')],
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
        placement: this.hosting.table,
        logDirs: this.dirs!.status(),
        replicates: this.replication !== null,
        lease: this.replication?.leaseMemory ?? null,
        throttles: this.throttles,
        connectionCounts: this.connectionCounts,
      }),
      replaced: (worker) => this.bringBack(worker),
    })
  }

  /** A worker with nothing to recover and nothing to listen on need not be waited for: what is asked of it waits in its mailbox. */
  private async openPartitions(workers: WorkerPool): Promise<void> {
    await Promise.all(
      workers.callers.map((caller, worker) => {
        const partitions = this.hosting.partitionsOf(worker, this.image)
        return partitions.length > 0 ? caller.call<void>('open', partitions) : Promise.resolve()
      }),
    )
  }

  /** A replaced worker opens what its predecessor had and listens where it listened. */
  private async bringBack(worker: number): Promise<void> {
    const caller = this.workers!.caller(worker)
    this.connections.workerGone(worker)
    this.moves!.settle(worker)
    this.replication?.attachWorker(worker)
    await caller.call('open', this.hosting.partitionsOf(worker, this.image, false))
    await Promise.all(this.listeners.map((command) => caller.call('listen', command)))
    await this.moves!.resume(worker)
  }

  private async callController({ method, args }: ControllerCall): Promise<unknown> {
    const call = this.control!.api[method as keyof ControllerApi] as (...values: readonly unknown[]) => Promise<unknown>
    const result = await call(...args)
    // A leader that asks for another ISR is a worker: it must not wait for what it has to take itself.
    if (method !== 'alterPartition') await this.broadcast.settled
    return result
  }

  private followed(changes: readonly MetadataChange[], placement: HostingChange['placement']): void {
    this.replication?.follow(changes, placement)
    if (changes.some((change) => change.kind === 'config' && change.resource === 'broker')) this.connections.reconfigure()
  }

  private reportRecovery({ topic, partition, done, total }: { topic: string; partition: number; done: number; total: number }): void {
    this.options.onProgress?.(`recovering ${topic}-${partition}: ${done} of ${total} segments`)
  }
}
