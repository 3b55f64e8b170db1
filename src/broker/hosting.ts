// Which partitions this node hosts: on which worker, in which directory, and what each worker must open, hear or drop when the metadata
// changes. Decides from the image; acts on nothing but its own table. Runs on the thread coordinator.

import { join } from 'node:path'
import type { MetadataChange, MetadataImage, PartitionImage, TopicImage } from '../controller/image.js'
import { partitionDirName } from '../model/topic-partition.js'
import type { LeaderAndIsr } from '../replica/partition/leader-and-isr.js'
import type { OpenPartition } from '../replica/replica-manager.js'
import { Placement, type PlacementTable } from '../threads/placement.js'
import type { DataDirs } from './data-dirs.js'

export interface HostingChange {
  /** Topics whose placement is new; null: gone. */
  readonly placement: readonly (readonly [topic: string, owners: Int16Array | null])[]
  /** By worker: partitions to open, or to hear the new leadership of. */
  readonly open: readonly (readonly OpenPartition[])[]
  /** By worker: partitions that were reassigned away. */
  readonly drop: readonly (readonly { readonly topic: string; readonly partition: number }[])[]
}

export class Hosting {
  private readonly nodeId: number
  private readonly workers: number
  private readonly dirs: () => DataDirs
  private readonly placement: Placement
  /**
   * Until the controller has taken up this life of the node, what the image says of its leading was said to a former one: its log may have lost
   * records that others have under the same leader epoch, and another record there would never be told apart.
   */
  mayLead: boolean

  constructor(nodeId: number, workers: number, dirs: () => DataDirs, mayLead = true) {
    this.mayLead = mayLead
    this.nodeId = nodeId
    this.workers = Math.max(1, workers)
    this.dirs = dirs
    this.placement = new Placement(this.workers)
  }

  get table(): PlacementTable {
    return this.placement.table
  }

  isHosted(image: MetadataImage, topic: string, partition: number): boolean {
    return image.topics.get(topic)?.partitions[partition]?.replicas.includes(this.nodeId) ?? false
  }

  /** At the start: a worker for everything. */
  assignAll(image: MetadataImage): void {
    for (const topic of image.topics.values()) this.placement.assign(topic.name, this.hostedOf(topic))
  }

  /** Everything `worker` has. `firstOpen` false: its predecessor had it open when it ended. */
  partitionsOf(worker: number, image: MetadataImage, firstOpen = true): OpenPartition[] {
    const partitions: OpenPartition[] = []
    for (const topic of image.topics.values()) {
      this.placement.table.get(topic.name)?.forEach((owner, partition) => {
        if (owner !== worker) return
        const open = this.openPartition(topic, partition, true)
        partitions.push(firstOpen ? open : { ...open, cleanShutdown: false })
      })
    }
    return partitions
  }

  /** What follows from `changes`, which led to `image`. */
  follow(changes: readonly MetadataChange[], image: MetadataImage): HostingChange {
    const placement: [string, Int16Array | null][] = []
    const open: OpenPartition[][] = Array.from({ length: this.workers }, () => [])
    const drop: { topic: string; partition: number }[][] = Array.from({ length: this.workers }, () => [])
    for (const change of changes) {
      if (change.kind === 'topic-deleted') {
        this.placement.remove(change.name)
        this.dirs().forget(change.name)
        placement.push([change.name, null])
        continue
      }
      const topic = change.kind === 'topic' ? change.topic : change.kind === 'partitions' ? image.topics.get(change.topic) : undefined
      if (!topic) continue
      const changed = change.kind === 'partitions' ? change.partitions : topic.partitions
      if (this.followTopic(topic, changed, open, drop)) placement.push([topic.name, this.placement.table.get(topic.name)!])
    }
    return { placement, open, drop }
  }

  /** True when the topic's placement changed. */
  private followTopic(
    topic: TopicImage,
    changed: readonly PartitionImage[],
    open: OpenPartition[][],
    drop: { topic: string; partition: number }[][],
  ): boolean {
    let moved = this.placement.assign(topic.name, this.hostedOf(topic))
    const owners = this.placement.table.get(topic.name)
    for (const state of changed) {
      const owner = owners?.[state.partition] ?? -1
      if (state.replicas.includes(this.nodeId)) open[owner]!.push(this.openPartition(topic, state.partition, false))
      else if (owner >= 0) {
        this.placement.release(topic.name, state.partition)
        this.dirs().forgetPartition({ topic: topic.name, partition: state.partition })
        drop[owner]!.push({ topic: topic.name, partition: state.partition })
        moved = true
      }
    }
    return moved
  }

  private hostedOf(topic: TopicImage): number[] {
    return topic.partitions.filter(({ replicas }) => replicas.includes(this.nodeId)).map(({ partition }) => partition)
  }

  private openPartition(topic: TopicImage, partition: number, isOld: boolean): OpenPartition {
    const state = topic.partitions[partition]!
    const place = this.dirs().placeFor(topic.name, partition, isOld)
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
      decision: state.leader === this.nodeId && !this.mayLead ? undecided(state.replicas) : decisionOf(state),
      ...(place.offline === undefined ? {} : { offline: place.offline }),
    }
  }
}

/** What a replica has to know of the state of its partition. */
export function decisionOf({ leader, leaderEpoch, isr, elr, lastKnownElr, replicas, partitionEpoch }: PartitionImage): LeaderAndIsr {
  const eligible = elr.length + lastKnownElr.length > 0 ? { eligible: [...elr, ...lastKnownElr] } : {}
  return { leader, leaderEpoch, isr, ...eligible, replicas, partitionEpoch }
}

/** Older than every decision: the replica is open and has no part yet. */
export function undecided(replicas: readonly number[]): LeaderAndIsr {
  return { leader: -1, leaderEpoch: -1, isr: [], replicas, partitionEpoch: -1 }
}
