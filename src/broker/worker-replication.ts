// Replication of one worker, tied to the link, the controller and the metadata image. Only glue: `replica/` decides. Runs on the worker.

import type { ControllerApi } from '../controller/controller-api.js'
import type { MetadataImage } from '../controller/image.js'
import type { Env } from '../env/env.js'
import { type LinkDoor, LinkStatus } from '../link/door.js'
import { PortDoor } from '../link/port-door.js'
import type { LinkPort } from '../link/port-messages.js'
import { errors } from '../model/errors.js'
import type { TopicPartition } from '../model/topic-partition.js'
import { IDLE_DOUBLINGS } from '../replica/fetcher/fetcher-state.js'
import type { FetchPart } from '../replica/fetcher/replica-link.js'
import type { BrokerDirectory, IsrAnswer } from '../replica/partition/leader-and-isr.js'
import type { ReplicaManager } from '../replica/replica-manager.js'
import type { IsrChange, LogDamage, Replication, ReplicationDoors } from '../replica/replication.js'
import type { ReplicationSettings } from '../replica/settings.js'
import { LinkKind } from './link-kinds.js'

/** How often replica.fetch.wait.max.ms a fetch may wait at its leader (see ReplicaLink); and the way there and back. */
const WAITS = 2 ** IDLE_DOUBLINGS
const WAY_MS = 5000

export interface WorkerReplicationOptions {
  readonly env: Env
  readonly nodeId: number
  readonly replicas: ReplicaManager
  readonly controller: ControllerApi
  image(): MetadataImage
  settings(): ReplicationSettings
  onLogDamaged(damage: LogDamage): void
  /** Absent: the one that `attach` gives a port. */
  readonly door?: LinkDoor
  onLogRepaired(of: TopicPartition): void
}

export class WorkerReplication {
  private readonly options: WorkerReplicationOptions
  private readonly port: PortDoor
  private readonly door: LinkDoor
  private readonly replication: Replication

  constructor(options: WorkerReplicationOptions) {
    this.options = options
    this.port = new PortDoor(options.env)
    this.door = options.door ?? this.port
    const replication = options.replicas.replicate(this.doors())
    this.replication = replication
    this.door.handle(LinkKind.replicaFetch, (peer, parts, answer) => replication.serveFetch(peer, parts as readonly FetchPart[], answer))
    this.door.onPeer((peer, isUp) => replication.peerChanged(peer, isUp))
  }

  /** The way to the link thread: at first, and whenever there is another. */
  attach(port: LinkPort): void {
    this.port.attach(port)
  }

  /** The image has other brokers, or they stand otherwise. */
  brokersChanged(): void {
    this.replication.brokersChanged()
  }

  close(): void {
    this.port.close()
  }

  private doors(): ReplicationDoors {
    return {
      link: { fetch: (leader, parts, onAnswer) => this.fetch(leader, parts, onAnswer) },
      brokerEpoch: () => this.options.image().brokers.get(this.options.nodeId)?.epoch ?? -1n,
      alterIsr: (change) => this.alterIsr(change),
      onLogDamaged: (damage) => this.options.onLogDamaged(damage),
      onLogRepaired: (of) => this.options.onLogRepaired(of),
    }
  }

  private async fetch(
    leader: number,
    parts: readonly FetchPart[],
    onAnswer: (index: number, answer: Uint8Array | null) => void,
  ): Promise<void> {
    const timeoutMs = WAITS * this.options.settings().fetchWaitMaxMs + WAY_MS
    const heard = (index: number, body: Uint8Array, status: LinkStatus): void => {
      onAnswer(index, status === LinkStatus.ok ? body : null)
    }
    await this.door.call(leader, LinkKind.replicaFetch, parts, heard, timeoutMs)
  }

  private async alterIsr({ topicId, partition, proposal }: IsrChange): Promise<IsrAnswer> {
    const { controller, nodeId, image } = this.options
    const answer = await controller.alterPartition({
      brokerId: nodeId,
      brokerEpoch: image().brokers.get(nodeId)?.epoch ?? -1n,
      partitions: [
        {
          topicId,
          partition,
          leaderEpoch: proposal.leaderEpoch,
          partitionEpoch: proposal.partitionEpoch,
          newIsr: proposal.newIsr.map(({ id, brokerEpoch }) => ({ brokerId: id, brokerEpoch })),
        },
      ],
    })
    const [row] = answer.partitions
    // A refusal of the whole request says nothing of the partition: the same is asked again.
    if (answer.errorCode !== errors.NONE.code || !row) throw new Error(`the controller refused with error ${answer.errorCode}`)
    return { errorCode: row.errorCode, leaderEpoch: row.leaderEpoch, partitionEpoch: row.partitionEpoch, isr: row.isr }
  }
}

/** What partition leaders know of other brokers, from the newest image. */
export function brokerDirectory(image: () => MetadataImage, holdsLease?: () => boolean): BrokerDirectory {
  return {
    ...(holdsLease === undefined ? {} : { holdsLease }),
    liveEpochOf: (id) => {
      const broker = image().brokers.get(id)
      // One that stops as well: it was just taken out, and its leader must neither ask for it back nor wait for it.
      return broker && broker.alive && !broker.fenced && !broker.shuttingDown ? broker.epoch : undefined
    },
    registeredEpochOf: (id) => image().brokers.get(id)?.epoch,
    rackOf: (id) => image().brokers.get(id)?.rack ?? null,
  }
}
