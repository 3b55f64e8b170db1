// The group coordinators of this worker: one per partition of __consumer_offsets that it owns and leads. Gives each its door to the
// partition's log. Runs on the partition's owner.

import type { MetadataImage } from '../controller/image.js'
import { groupConfigFrom } from '../coordinators/group/group-config.js'
import { GroupCoordinatorShard } from '../coordinators/group/group-shard.js'
import type { AppendResult as CommitResult, PartitionWriter } from '../coordinators/runtime/coordinator-record.js'
import type { Env, Timer } from '../env/env.js'
import { errors } from '../model/errors.js'
import { GROUP_METADATA_TOPIC } from '../model/topic-partition.js'
import type { ReplicaManager } from '../replica/replica-manager.js'
import type { ConfigStore } from './config/config-store.js'
import { readGroupLog } from './group-log.js'

const COORDINATOR_TERMS = { acks: -1, disk: false, apiVersion: 9, origin: 'coordinator' } as const

export interface GroupCoordinatorsOptions {
  readonly env: Env
  readonly replicas: Pick<ReplicaManager, 'find' | 'append' | 'hasStaged' | 'flush' | 'batchSuspected'>
  readonly configs: Pick<ConfigStore, 'getNumber'>
  image(): MetadataImage
}

export class GroupCoordinators {
  private readonly options: GroupCoordinatorsOptions
  private readonly shards = new Map<number, { readonly shard: GroupCoordinatorShard; leaderEpoch: number }>()

  constructor(options: GroupCoordinatorsOptions) {
    this.options = options
  }

  /**
   * Called after a partition of __consumer_offsets opened here, heard a decision of the controller, or went. Gained: it loads in the background, until
   * then calls are told so. Lost: it is unloaded. A new epoch of the same leader loads anew: another may have led, and written, in between.
   */
  opened(partition: number): void {
    const { env, configs, image, replicas } = this.options
    const state = replicas.find(GROUP_METADATA_TOPIC, partition)?.state
    const known = this.shards.get(partition)
    if (state?.role !== 'leader') {
      this.shards.delete(partition)
      known?.shard.resign()
      return
    }
    if (known?.leaderEpoch === state.leaderEpoch) return
    const shard =
      known?.shard ??
      new GroupCoordinatorShard({
        partition,
        writer: this.writerFor(partition),
        env,
        config: () => groupConfigFrom((name) => configs.getNumber(name)),
        image,
      })
    this.shards.set(partition, { shard, leaderEpoch: state.leaderEpoch })
    shard.load().catch((error: Error) => env.logger.error({ partition, error: error.message }, 'loading a group coordinator failed'))
  }

  topicsDeleted(names: readonly string[]): void {
    if (names.includes(GROUP_METADATA_TOPIC)) this.close()
    for (const { shard } of this.shards.values()) shard.onTopicsDeleted(names)
  }

  /** Throws when no coordinator of that partition is here. */
  call(partition: number, method: string, argument: object): Promise<object> {
    const shard = this.shards.get(partition)?.shard
    if (!shard) throw new Error(`the coordinator of ${GROUP_METADATA_TOPIC}-${partition} is not on this worker`)
    return (shard[method as keyof GroupCoordinatorShard] as unknown as (argument: object) => Promise<object>).call(shard, argument)
  }

  close(): void {
    for (const { shard } of this.shards.values()) shard.resign()
    this.shards.clear()
  }

  private writerFor(partition: number): PartitionWriter {
    const { replicas, env, configs } = this.options
    return {
      append: (batch) =>
        new Promise<CommitResult>((resolve) => {
          let timer: Timer | undefined
          const sink = {
            complete: (_slot: number, { errorCode, baseOffset }: { errorCode: number; baseOffset: number }) => {
              timer?.cancel()
              resolve({ errorCode, offset: baseOffset })
            },
          }
          // With followers a commit may take for ever. After that time its fate is unknown: the offset says so, and the shard loads anew.
          const hosted = replicas.find(GROUP_METADATA_TOPIC, partition)
          if (hosted && hosted.state.replicas.length > 1) {
            const end = hosted.log.logEndOffset
            timer = env.timers.after(configs.getNumber('offsets.commit.timeout.ms'), () =>
              resolve({ errorCode: errors.REQUEST_TIMED_OUT.code, offset: end }),
            )
          }
          replicas.append(GROUP_METADATA_TOPIC, partition, batch, COORDINATOR_TERMS, sink, 0)
          // Several commits of one turn share a write.
          if (replicas.hasStaged) setImmediate(() => replicas.flush())
        }),
      load: () => readGroupLog(replicas, partition),
    }
  }
}
