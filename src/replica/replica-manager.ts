// The partitions of one worker: opens and closes them, finds them, flushes what a turn of the event loop staged. Knows no sockets and no
// frames. Single-threaded, on the worker that owns the partitions (or the caller's thread with `workers: 0`).

import type { Env } from '../env/env.js'
import { Log } from '../log/log.js'
import type { LogConfig } from '../log/config.js'
import type { RunInPool } from '../log/types.js'
import { errors } from '../model/errors.js'
import type { Uuid } from '../model/topic-partition.js'
import type { AppendTerms } from './hosted-partition.js'
import { failedAppend, HostedPartition } from './hosted-partition.js'
import { type AckPromise, type LeaderAndIsr, PartitionState } from './partition/partition-state.js'
import type { ProduceSink } from './purgatory/produce-queue.js'

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
}

export interface TopicSettings {
  readonly log: LogConfig
  readonly minInsyncReplicas: number
}

/** What a data directory's checkpoints need to know of one log. */
export interface LogCheckpoint {
  readonly topic: string
  readonly partition: number
  readonly dir: string
  readonly recoveryPoint: number
  readonly logStartOffset: number
  readonly cleanerOffset: number | undefined
}

export interface ReplicaManagerOptions {
  readonly env: Env
  readonly nodeId: number
  readonly runInPool: RunInPool
  settingsOf(topic: string): TopicSettings
  onCheckpointDue(checkpoint: LogCheckpoint): void
  onLogFailed(topic: string, partition: number, dir: string, error: Error): void
  onRecoveryProgress(topic: string, partition: number, done: number, total: number): void
}

export class ReplicaManager {
  private readonly options: ReplicaManagerOptions
  private readonly byTopic = new Map<string, (HostedPartition | undefined)[]>()
  /** Partitions whose directory cannot be used: answered with KAFKA_STORAGE_ERROR. */
  private readonly offline = new Map<string, Error>()
  /** Opens under way: a second one of the same partition waits for it, two logs on one directory would destroy it. */
  private readonly opening = new Map<string, Promise<void>>()
  private dirty: HostedPartition[] = []

  constructor(options: ReplicaManagerOptions) {
    this.options = options
  }

  find(topic: string, partition: number): HostedPartition | undefined {
    return this.byTopic.get(topic)?.[partition]
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
      known.becomeWhatControllerSays(request.decision)
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
        onCheckpointDue: () => this.options.onCheckpointDue(this.checkpointOf(topic, partition, dir, log)),
        onFailed: (error) => this.options.onLogFailed(topic, partition, dir, error),
      })
      // What a killed process left may be in the page cache only: on the `disk` promise nobody reads it before it is durable.
      if (promiseOf(settings) === 'disk') await log.sync()
    } catch (error) {
      this.offline.set(`${topic}-${partition}`, error as Error)
      this.options.onLogFailed(topic, partition, dir, error as Error)
      return
    }
    const state = new PartitionState(nodeId, log.logEndOffset, log.logStartOffset, log.durableOffset)
    const hosted = new HostedPartition(topic, partition, log, state)
    this.applySettings(hosted, settings)
    this.offline.delete(`${topic}-${partition}`)
    let partitions = this.byTopic.get(topic)
    if (!partitions) this.byTopic.set(topic, (partitions = []))
    partitions[partition] = hosted
    hosted.becomeWhatControllerSays(request.decision)
  }

  /** Settings of a topic changed. */
  reconfigure(topic: string): void {
    const settings = this.options.settingsOf(topic)
    for (const hosted of this.byTopic.get(topic) ?? []) {
      if (!hosted) continue
      hosted.log.updateConfig(settings.log)
      this.applySettings(hosted, settings)
    }
  }

  /** The topic was deleted: its logs are renamed away now and removed later. */
  async deleteTopic(topic: string): Promise<void> {
    for (const [key, opened] of this.opening) if (key.slice(0, key.lastIndexOf('-')) === topic) await opened
    for (const key of this.offline.keys()) if (key.slice(0, key.lastIndexOf('-')) === topic) this.offline.delete(key)
    const partitions = this.byTopic.get(topic)
    this.byTopic.delete(topic)
    for (const hosted of partitions ?? []) {
      if (!hosted) continue
      hosted.resign(errors.UNKNOWN_TOPIC_OR_PARTITION.code)
      await hosted.log.delete()
    }
  }

  /** See `HostedPartition.append`. What is staged is written at the next `flush`. */
  append(topic: string, partition: number, records: Uint8Array, terms: AppendTerms, sink: ProduceSink, slot: number): void {
    const hosted = this.find(topic, partition)
    if (hosted === undefined) sink.complete(slot, failedAppend(this.missingCode(topic, partition)))
    else if (hosted.append(records, terms, sink, slot)) this.dirty.push(hosted)
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
    this.flush()
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
    hosted.minInsyncReplicas = settings.minInsyncReplicas
    hosted.state.promise = promiseOf(settings)
  }

  private checkpointOf(topic: string, partition: number, dir: string, log: Log): LogCheckpoint {
    return { topic, partition, dir, recoveryPoint: log.recoveryPoint, logStartOffset: log.logStartOffset, cleanerOffset: log.cleanerOffset }
  }
}

/** `disk` by the topic's setting, or as Kafka's flush.messages=1 says it. */
function promiseOf({ log }: TopicSettings): AckPromise {
  return log.ack === 'disk' || log.flushMessages <= 1 ? 'disk' : 'process'
}
