// The partitions of one worker: opens and closes them, finds them, flushes what a turn of the event loop staged. Knows no sockets and no
// frames. Single-threaded, on the worker that owns the partitions (or the caller's thread with `workers: 0`).

import { dirname } from 'node:path'
import type { Env, Timers } from '../env/env.js'
import { syncPath } from '../log/files.js'
import { Log } from '../log/log.js'
import { type LogConfig, promiseOf } from '../log/config.js'
import type { RunInPool } from '../log/types.js'
import { errors } from '../model/errors.js'
import type { Uuid } from '../model/topic-partition.js'
import { type Throttles, throttlesIn } from './fetcher/byte-budget.js'
import type { FutureDescription, LogMovesOptions, MoveRequest } from './log-moves.js'
import { LogMoves } from './log-moves.js'
import type { AppendTerms } from './hosted-partition.js'
import { failedAppend, HostedPartition } from './hosted-partition.js'
import { anyBroker, type BrokerDirectory } from './partition/leader-and-isr.js'
import { type LeaderAndIsr, PartitionState } from './partition/partition-state.js'
import type { ProduceSink } from './purgatory/produce-queue.js'
import { Replication, type ReplicationDoors } from './replication.js'
import { Scrubber } from './scrubber.js'
import { defaultReplicationSettings, isThrottled, type ReplicationSettings, type ThrottledPartitions } from './settings.js'

/** Everything needed to open one partition. Crosses threads. */
export interface OpenPartition {
  readonly topic: string
  readonly topicId: Uuid
  readonly partition: number
  readonly dir: string
  readonly cleanShutdown: boolean
  readonly recoveryPoint: number
  readonly logStartOffset: number
  /** Where compaction goes on; undefined: from the start. */
  readonly cleanerOffset: number | undefined
  readonly decision: LeaderAndIsr
  /** From replication-offset-checkpoint; undefined: not known. */
  readonly highWatermark?: number
  /** Why it must not be opened: the partition stays out of service. */
  readonly offline?: string
}

export interface TopicSettings {
  readonly log: LogConfig
  readonly minInsyncReplicas: number
  /** Left out: none. */
  readonly throttled?: { readonly leader: ThrottledPartitions; readonly follower: ThrottledPartitions }
}

/** What a data directory's checkpoints need to know of one log. */
export interface LogCheckpoint {
  readonly topic: string
  readonly partition: number
  readonly dir: string
  readonly recoveryPoint: number
  readonly logStartOffset: number
  readonly cleanerOffset: number | undefined
  readonly highWatermark: number
}

export interface ReplicaManagerOptions {
  readonly env: Env
  readonly nodeId: number
  readonly runInPool: RunInPool
  settingsOf(topic: string): TopicSettings
  /** Left out: Kafka's defaults. */
  replicationSettings?(): ReplicationSettings
  /** Left out: of this thread alone. */
  readonly throttles?: Throttles
  /** Left out: this node knows of no other. */
  readonly brokers?: BrokerDirectory
  onCheckpointDue(checkpoint: LogCheckpoint): void
  onLogFailed(topic: string, partition: number, dir: string, error: Error): void
  /** Writes to it find no space; told again while that lasts. */
  onLogFull(topic: string, partition: number): void
  /** This worker's share of replica.alter.log.dirs.io.max.bytes.per.second. */
  moveBytesPerSecond(): number
  onMovePrepared(request: MoveRequest, checkpoint: LogCheckpoint): Promise<void>
  onMoveEnded: LogMovesOptions['ended']
  onRecoveryProgress(topic: string, partition: number, done: number, total: number): void
}

export class ReplicaManager {
  private readonly options: ReplicaManagerOptions
  private readonly byTopic = new Map<string, (HostedPartition | undefined)[]>()
  /** Topic id → name, of what is hosted. */
  private readonly topicNames = new Map<Uuid, string>()
  private replication: Replication | undefined
  private scrubber: Scrubber | undefined
  /** Read once, and again when settings change. */
  private knownSettings: ReplicationSettings | undefined
  /** Partitions whose directory cannot be used: answered with KAFKA_STORAGE_ERROR. */
  private readonly offline = new Map<string, Error>()
  /** Opens under way: a second one of the same partition waits for it, two logs on one directory would destroy it. */
  private readonly opening = new Map<string, Promise<void>>()
  private dirty: HostedPartition[] = []
  private readonly moves: LogMoves

  constructor(options: ReplicaManagerOptions) {
    this.options = options
    this.moves = new LogMoves({
      env: options.env,
      find: (topic, partition) => this.find(topic, partition),
      openFuture: (current, dir, firstOffset) => this.openFuture(current, dir, firstOffset),
      bytesPerSecond: () => options.moveBytesPerSecond(),
      prepared: (request, future, logStartOffset) =>
        options.onMovePrepared(request, { ...this.checkpointOf(request.topic, request.partition, request.target, future), logStartOffset }),
      ended: (request, moved) => options.onMoveEnded(request, moved),
    })
  }

  get timers(): Timers {
    return this.options.env.timers
  }

  find(topic: string, partition: number): HostedPartition | undefined {
    return this.byTopic.get(topic)?.[partition]
  }

  findById(topicId: Uuid, partition: number): HostedPartition | undefined {
    const topic = this.topicNames.get(topicId)
    return topic === undefined ? undefined : this.find(topic, partition)
  }

  /** Starts to copy from and serve other nodes. Without it this node has no other. */
  replicate(doors: ReplicationDoors): Replication {
    const { env, nodeId, brokers = anyBroker, onCheckpointDue } = this.options
    this.replication = new Replication({
      env,
      nodeId,
      brokers,
      doors,
      settings: () => this.replicationSettings(),
      throttles: this.options.throttles ?? throttlesIn(),
      replicas: this,
      onHighWatermarkDue: ({ topic, partition, log }) => onCheckpointDue(this.checkpointOf(topic, partition, log.dir, log)),
    })
    for (const hosted of this.all()) this.replication.changed(hosted)
    return this.replication
  }

  /** Starts to look over closed segments in the background. */
  scrub(): Scrubber {
    this.scrubber ??= new Scrubber({
      env: this.options.env,
      bytesPerSecond: () => this.replicationSettings().scrubBytesPerSecond,
      partitions: () => this.all(),
      isHosted: (hosted) => this.find(hosted.topic, hosted.partition) === hosted,
      // Without another replica it stays quarantined and is said: nothing can make it good.
      onDamaged: (hosted, offset, message) => this.replication?.damaged(hosted, offset, message),
    })
    return this.scrubber
  }

  private replicationSettings(): ReplicationSettings {
    this.knownSettings ??= this.options.replicationSettings?.() ?? defaultReplicationSettings
    return this.knownSettings
  }

  /** The outcome for a partition that `find` does not know: it failed to open, or it is not here (yet). */
  missingCode(topic: string, partition: number): number {
    return this.offline.has(`${topic}-${partition}`) ? errors.KAFKA_STORAGE_ERROR.code : errors.NOT_LEADER_OR_FOLLOWER.code
  }

  *all(): Generator<HostedPartition> {
    for (const partitions of this.byTopic.values()) for (const hosted of partitions) if (hosted) yield hosted
  }

  async open(request: OpenPartition): Promise<void> {
    const key = `${request.topic}-${request.partition}`
    while (this.opening.has(key)) await this.opening.get(key)
    const known = this.find(request.topic, request.partition)
    if (known) {
      this.decide(known, request.decision)
      return
    }
    const opened = this.openLog(request).finally(() => this.opening.delete(key))
    this.opening.set(key, opened)
    await opened
  }

  private async openLog(request: OpenPartition): Promise<void> {
    const { topic, partition, dir } = request
    const { env, nodeId, runInPool, settingsOf } = this.options
    const settings = settingsOf(topic)
    let log: Log
    try {
      if (request.offline !== undefined) throw new Error(request.offline)
      log = await Log.open({
        dir,
        topicPartition: { topic, partition },
        topicId: request.topicId,
        config: settings.log,
        env,
        cleanShutdown: request.cleanShutdown,
        recoveryPoint: request.recoveryPoint,
        logStartOffset: request.logStartOffset,
        cleanerOffset: request.cleanerOffset,
        runInPool,
        onProgress: (done, total) => this.options.onRecoveryProgress(topic, partition, done, total),
        onCheckpointDue: () => this.checkpointDue(topic, partition, log),
        onFailed: (error) => this.options.onLogFailed(topic, partition, dir, error),
        onFull: () => this.options.onLogFull(topic, partition),
        onDamaged: (offset, message) => this.logDamaged(topic, partition, log, offset, message),
      })
      // What a killed process left may be in the page cache only: on the `disk` promise nobody reads it before it is durable.
      if (promiseOf(settings.log) === 'disk') await log.sync()
    } catch (error) {
      this.offline.set(`${topic}-${partition}`, error as Error)
      this.options.onLogFailed(topic, partition, dir, error as Error)
      return
    }
    const highWatermark = Math.max(log.logStartOffset, Math.min(request.highWatermark ?? 0, log.logEndOffset))
    const state = new PartitionState(nodeId, log.logEndOffset, highWatermark, log.durableOffset, this.options.brokers)
    log.updateHighWatermark(highWatermark)
    const hosted = new HostedPartition(topic, partition, log, state)
    this.applySettings(hosted, settings)
    this.offline.delete(`${topic}-${partition}`)
    let partitions = this.byTopic.get(topic)
    if (!partitions) this.byTopic.set(topic, (partitions = []))
    partitions[partition] = hosted
    this.topicNames.set(request.topicId, topic)
    this.decide(hosted, request.decision)
  }

  private decide(hosted: HostedPartition, decision: LeaderAndIsr): void {
    if (hosted.becomeWhatControllerSays(decision, this.options.env.clock.monotonic())) this.replication?.changed(hosted)
  }

  /** Moves a replica to another data directory in the background; to the one it is in: gives up a move. Returns an error code. */
  move(request: MoveRequest): number {
    const hosted = this.find(request.topic, request.partition)
    if (!hosted) {
      const code = this.missingCode(request.topic, request.partition)
      return code === errors.KAFKA_STORAGE_ERROR.code ? code : errors.REPLICA_NOT_AVAILABLE.code
    }
    if (hosted.log.failure) return errors.KAFKA_STORAGE_ERROR.code
    if (dirname(hosted.log.dir) === request.target) this.moves.cancel(request.topic, request.partition)
    else this.moves.start(request)
    return errors.NONE.code
  }

  /** The copy of a partition that is on its way to another directory. */
  futureOf(topic: string, partition: number): FutureDescription | undefined {
    return this.moves.futureOf(topic, partition)
  }

  private openFuture(current: HostedPartition, dir: string, firstOffset: number): Promise<Log> {
    const { topic, partition } = current
    const { env, runInPool } = this.options
    const opened = Log.open({
      dir,
      topicPartition: { topic, partition },
      topicId: current.log.topicId,
      config: current.log.config,
      env,
      cleanShutdown: false,
      recoveryPoint: 0,
      logStartOffset: firstOffset,
      cleanerOffset: current.log.cleanerOffset,
      runInPool,
      // Until it takes over nobody keeps its offsets; then it is the partition's log like any other.
      onCheckpointDue: () => void opened.then((log) => current.log === log && this.checkpointDue(topic, partition, log)),
      onFailed: (error) => void opened.then((log) => current.log === log && this.options.onLogFailed(topic, partition, log.dir, error)),
      onFull: () => void opened.then((log) => current.log === log && this.options.onLogFull(topic, partition)),
      onDamaged: (offset, message) => void opened.then((log) => this.logDamaged(topic, partition, log, offset, message)),
    })
    return opened
  }

  private logDamaged(topic: string, partition: number, log: Log, offset: number, message: string): void {
    const known = this.find(topic, partition)
    if (known?.log === log) this.replication?.damaged(known, offset, message)
  }

  /** A reader on this node could not make sense of the batch at `offset`: if it is damaged, a leader gives way to another, and a follower is made whole. */
  batchSuspected(hosted: HostedPartition, offset: number): void {
    this.replication?.suspected(hosted, offset)
  }

  /** A log that was replaced by a move has nothing to say any more. */
  private checkpointDue(topic: string, partition: number, log: Log): void {
    const known = this.find(topic, partition)
    if (!known || known.log === log) this.options.onCheckpointDue(this.checkpointOf(topic, partition, log.dir, log))
  }

  /** Settings of a topic, or of the node, changed. */
  reconfigure(topic: string): void {
    this.knownSettings = undefined
    const settings = this.options.settingsOf(topic)
    for (const hosted of this.byTopic.get(topic) ?? []) {
      if (!hosted) continue
      hosted.log.updateConfig(settings.log)
      this.moves.reconfigure(hosted)
      this.applySettings(hosted, settings)
      this.replication?.reconfigured(hosted)
    }
  }

  /** The topic was deleted: its logs are renamed away now and removed later. */
  async deleteTopic(topic: string): Promise<void> {
    for (const [key, opened] of this.opening) if (key.slice(0, key.lastIndexOf('-')) === topic) await opened
    for (const key of this.offline.keys()) if (key.slice(0, key.lastIndexOf('-')) === topic) this.offline.delete(key)
    const partitions = this.byTopic.get(topic)
    this.byTopic.delete(topic)
    const parents = new Set<string>()
    for (const hosted of partitions ?? []) {
      if (!hosted) continue
      this.topicNames.delete(hosted.log.topicId)
      parents.add(await this.drop(hosted, errors.UNKNOWN_TOPIC_OR_PARTITION.code))
    }
    await Promise.all(Array.from(parents, syncPath))
  }

  /** The partition was reassigned away from this node: its log goes as a deleted topic's does. */
  async deleteReplica(topic: string, partition: number): Promise<void> {
    await this.opening.get(`${topic}-${partition}`)
    this.offline.delete(`${topic}-${partition}`)
    const hosted = this.find(topic, partition)
    if (!hosted) return
    this.byTopic.get(topic)![partition] = undefined
    await syncPath(await this.drop(hosted, errors.NOT_LEADER_OR_FOLLOWER.code))
  }

  /** Resolves with the directory whose sync makes it last. */
  private drop(hosted: HostedPartition, errorCode: number): Promise<string> {
    this.moves.cancel(hosted.topic, hosted.partition)
    this.replication?.removed(hosted, errorCode)
    hosted.resign(errorCode)
    return hosted.log.delete()
  }

  /** See `HostedPartition.append`. What is staged is written at the next `flush`. */
  append(topic: string, partition: number, records: Uint8Array, terms: AppendTerms, sink: ProduceSink, slot: number): void {
    const hosted = this.find(topic, partition)
    if (hosted === undefined) sink.complete(slot, failedAppend(this.missingCode(topic, partition)))
    else if (hosted.append(records, terms, sink, slot)) this.dirty.push(hosted)
  }

  /** See `HostedPartition.leaseLost`. */
  leaseLost(): void {
    for (const hosted of this.all()) hosted.leaseLost()
  }

  get hasStaged(): boolean {
    return this.dirty.length > 0
  }

  /** One write(2) for each log that staged something this turn. */
  flush(): void {
    if (this.dirty.length === 0) return
    const dirty = this.dirty
    this.dirty = []
    for (const hosted of dirty) hosted.flush()
  }

  checkpoints(): LogCheckpoint[] {
    return [...this.all()].map((hosted) => this.checkpointOf(hosted.topic, hosted.partition, hosted.log.dir, hosted.log))
  }

  /** Writes out and closes every log. Resolves with the final checkpoints. */
  async close(clean: boolean): Promise<LogCheckpoint[]> {
    await this.moves.close()
    this.flush()
    this.replication?.close()
    this.scrubber?.close()
    const hosted = [...this.all()]
    await Promise.all(
      hosted.map(async (one) => {
        one.resign(errors.NOT_LEADER_OR_FOLLOWER.code)
        await one.log.close(clean)
      }),
    )
    this.byTopic.clear()
    return hosted.map((one) => this.checkpointOf(one.topic, one.partition, one.log.dir, one.log))
  }

  private applySettings(hosted: HostedPartition, settings: TopicSettings): void {
    hosted.state.minInSyncReplicas = settings.minInsyncReplicas
    hosted.state.lagTimeMaxMs = this.replicationSettings().lagTimeMaxMs
    hosted.state.promise = promiseOf(settings.log)
    hosted.isLeaderThrottled = isThrottled(settings.throttled?.leader, hosted.partition)
    hosted.isFollowerThrottled = isThrottled(settings.throttled?.follower, hosted.partition)
  }

  private checkpointOf(topic: string, partition: number, dir: string, log: Log): LogCheckpoint {
    const { recoveryPoint, logStartOffset, cleanerOffset, highWatermark } = log
    return { topic, partition, dir, recoveryPoint, logStartOffset, cleanerOffset, highWatermark }
  }
}
