// Replication of one worker put together: follows the partitions it is told to follow, serves those it leads, takes ISR changes to the controller
// and back, checkpoints high watermarks, and deals with damaged logs. Single-threaded, on the worker that owns the partitions. The state
// machines it moves are partition/ and fetcher/.

import type { Env, Timer } from '../env/env.js'
import type { Throttles } from './fetcher/byte-budget.js'
import { FetchServer } from './fetcher/fetch-server.js'
import type { FetchAnswerBody } from './fetcher/messages.js'
import { ReplicaFetcher } from './fetcher/replica-fetcher.js'
import type { FetchPart, ReplicaLink } from './fetcher/replica-link.js'
import type { TopicPartition } from '../model/topic-partition.js'
import type { HostedPartition } from './hosted-partition.js'
import type { BrokerDirectory, IsrAnswer, IsrProposal } from './partition/leader-and-isr.js'
import type { ReplicaManager } from './replica-manager.js'
import type { ReplicationSettings } from './settings.js'

/** How often followers' lag is looked at, as a share of replica.lag.time.max.ms (Kafka's). */
const LAG_CHECK_SHARE = 0.5
/** Pauses before a proposal of unknown fate is sent again. */
const PROPOSE_AGAIN_MS = 50
const PROPOSE_AGAIN_MAX_MS = 1000
/** replica.high.watermark.checkpoint.interval.ms */
const CHECKPOINT_MS = 5000

export interface IsrChange {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly proposal: IsrProposal
}

/** A log of this node failed verification. */
export interface LogDamage {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  /** The first offset that cannot be trusted. */
  readonly offset: number
  readonly message: string
  /** This node leads it: the controller must elect another. */
  readonly isLeader: boolean
}

/** What replication needs of the node around it. */
export interface ReplicationDoors {
  readonly link: ReplicaLink
  /** This node's registration epoch. */
  brokerEpoch(): bigint
  /** AlterPartition at the controller. Rejects when the fate is unknown: the same is asked again. */
  alterIsr(change: IsrChange): Promise<IsrAnswer>
  /** Told once for each damage found. */
  onLogDamaged(damage: LogDamage): void
  /** A damaged log was cut back: what it has is sound, and its leader makes it whole. */
  onLogRepaired(of: TopicPartition): void
}

export interface ReplicationOptions {
  readonly env: Env
  readonly nodeId: number
  readonly brokers: BrokerDirectory
  readonly doors: ReplicationDoors
  readonly replicas: Pick<ReplicaManager, 'findById' | 'all'>
  settings(): ReplicationSettings
  readonly throttles: Throttles
  onHighWatermarkDue(hosted: HostedPartition): void
}

export class Replication {
  readonly fetcher: ReplicaFetcher
  readonly server: FetchServer
  private readonly options: ReplicationOptions
  private readonly timers: Timer[] = []
  private readonly checkpointed = new Map<HostedPartition, number>()
  private readonly repairing = new Set<HostedPartition>()
  private closed = false

  constructor(options: ReplicationOptions) {
    const { env, doors, brokers, replicas, throttles } = options
    this.options = options
    this.fetcher = new ReplicaFetcher({
      env,
      link: doors.link,
      settings: () => options.settings(),
      throttle: throttles.follower,
      brokerEpoch: () => doors.brokerEpoch(),
      find: (topicId, partition) => replicas.findById(topicId, partition),
      onCorruptBatches: (hosted, leader, offset, message) =>
        env.logger.error({ topic: hosted.topic, partition: hosted.partition, leader, offset }, `wrong checksums keep coming: ${message}`),
    })
    this.server = new FetchServer({
      env,
      settings: () => options.settings(),
      throttle: throttles.leader,
      liveEpochOf: (id) => brokers.liveEpochOf(id),
      find: (topicId, partition) => replicas.findById(topicId, partition),
      onProgress: (hosted, replica, moved) => this.progressed(hosted, replica, moved),
      onCorruptReport: (hosted, replica, offset) => this.corruptReported(hosted, replica, offset),
    })
    this.timers.push(
      env.timers.every(Math.max(1, options.settings().lagTimeMaxMs * LAG_CHECK_SHARE), () => this.shrinkAll()),
      env.timers.every(CHECKPOINT_MS, () => this.checkpointAll()),
    )
  }

  /** A frame of replication from another node. See `FetchServer.serve`. */
  serveFetch(fromReplica: number, parts: readonly FetchPart[], answer: (index: number, body: FetchAnswerBody) => void): void {
    this.server.serve(fromReplica, parts, answer)
  }

  /** Brokers came, went or stop: who is not in sync and will not be is waited for no more. */
  brokersChanged(): void {
    const now = this.options.env.clock.monotonic()
    for (const hosted of this.options.replicas.all()) hosted.replicationMoved(hosted.state.brokersChanged(now))
  }

  /** The link to a node came up or broke. */
  peerChanged(peer: number, isUp: boolean): void {
    if (isUp) this.fetcher.peerUp(peer)
    else this.server.peerDown(peer)
  }

  /** The partition opened here, or the controller decided anew. */
  changed(hosted: HostedPartition): void {
    if (!this.repairing.has(hosted)) this.fetcher.update(hosted)
    const [range] = hosted.log.quarantined
    if (range && hosted.damage === null && hosted.state.replicas.length > 1)
      this.damaged(hosted, range.firstOffset, `offsets ${range.firstOffset} to ${range.lastOffset} are quarantined`)
    else this.repairIfAllowed(hosted)
  }

  /** Settings of the partition's topic, or of the node, changed. */
  reconfigured(hosted: HostedPartition): void {
    if (!this.repairing.has(hosted)) this.fetcher.update(hosted)
    this.server.throttlesChanged()
  }

  removed(hosted: HostedPartition, errorCode: number): void {
    this.fetcher.remove(hosted)
    this.server.forget(hosted, errorCode)
    this.checkpointed.delete(hosted)
  }

  /** Verification found bytes that cannot be trusted, from `offset` on. */
  damaged(hosted: HostedPartition, offset: number, message: string): void {
    if (hosted.damage !== null && hosted.damage.offset <= offset) return
    hosted.damage = { offset, message }
    const { topic, partition, log, state } = hosted
    this.options.env.logger.error({ topic, partition, offset }, `this replica is damaged: ${message}`)
    this.options.doors.onLogDamaged({ topic, topicId: log.topicId, partition, offset, message, isLeader: state.role === 'leader' })
    this.fetcher.report(hosted)
    this.repairIfAllowed(hosted)
  }

  close(): void {
    this.closed = true
    for (const timer of this.timers) timer.cancel()
    this.fetcher.close()
    this.server.close()
  }

  // ---- the in-sync set

  private progressed(hosted: HostedPartition, replica: number, moved: boolean): void {
    hosted.replicationMoved(moved)
    const proposal = hosted.state.proposeAfterFetch(replica)
    if (proposal) this.propose(hosted, proposal)
  }

  private shrinkAll(): void {
    const now = this.options.env.clock.monotonic()
    for (const hosted of this.options.replicas.all()) {
      hosted.replicationMoved(hosted.state.reviewed(now))
      const proposal = hosted.state.proposeShrink(now)
      if (proposal) this.propose(hosted, proposal)
    }
  }

  private propose(hosted: HostedPartition, proposal: IsrProposal, pauseMs = PROPOSE_AGAIN_MS): void {
    const { topic, partition, log, state } = hosted
    this.options.env.logger.info(
      { topic, partition, from: state.isr, to: proposal.newIsr.map(({ id }) => id), partitionEpoch: proposal.partitionEpoch },
      'the in-sync set is to change',
    )
    const again = (): void => {
      if (this.closed || !state.isProposed(proposal)) return
      this.options.env.timers.after(pauseMs, () => {
        if (!this.closed && state.isProposed(proposal)) this.propose(hosted, proposal, Math.min(pauseMs * 2, PROPOSE_AGAIN_MAX_MS))
      })
    }
    this.options.doors.alterIsr({ topic, topicId: log.topicId, partition, proposal }).then((answer) => {
      if (this.closed) return
      const { verdict, moved } = state.proposalAnswered(proposal, answer)
      hosted.replicationMoved(moved)
      if (verdict === 'again') again()
    }, again)
  }

  private checkpointAll(): void {
    for (const hosted of this.options.replicas.all()) {
      const { highWatermark, replicas } = hosted.state
      // A partition with one replica finds its high watermark by itself.
      if (replicas.length < 2 || this.checkpointed.get(hosted) === highWatermark) continue
      this.checkpointed.set(hosted, highWatermark)
      this.options.onHighWatermarkDue(hosted)
    }
  }

  // ---- damage

  /** A follower got bad bytes. Bad here as well: this log is damaged. Good here: it was the way, and the follower asks again. */
  private corruptReported(hosted: HostedPartition, replica: number, offset: number): void {
    if (this.suspected(hosted, offset)) return
    const fields = { topic: hosted.topic, partition: hosted.partition, replica, offset }
    this.options.env.logger.warn(fields, 'a follower got a wrong checksum; the batch in this log is sound')
  }

  /** Somebody could not read the batch at `offset`. True when it is damaged here, or cannot be looked at. */
  suspected(hosted: HostedPartition, offset: number): boolean {
    try {
      const wrong = hosted.log.verifyBatchAt(offset)
      if (wrong !== undefined) this.damaged(hosted, offset, wrong)
      return wrong !== undefined
    } catch (error) {
      // The log has taken itself out of service where that was called for.
      const fields = { topic: hosted.topic, partition: hosted.partition, offset, error: (error as Error).message }
      this.options.env.logger.error(fields, 'a batch that was reported cannot be read')
      return true
    }
  }

  /**
   * A damaged replica is made good by its leader: everything from the damage on is kept aside and copied again. Only once it is neither in
   * the ISR nor eligible, because from then on nobody counts on what it has.
   */
  private repairIfAllowed(hosted: HostedPartition): void {
    const { damage, state } = hosted
    if (damage === null || this.repairing.has(hosted) || state.role !== 'follower' || state.isCountedOn) return
    this.repairing.add(hosted)
    this.repair(hosted, damage.offset)
      .catch((error: Error) =>
        this.options.env.logger.error(
          { topic: hosted.topic, partition: hosted.partition, error: error.message },
          'repairing a damaged replica failed; it stays out of the in-sync set',
        ),
      )
      .finally(() => this.repairing.delete(hosted))
  }

  private async repair(hosted: HostedPartition, offset: number): Promise<void> {
    const { topic, partition, log, state } = hosted
    this.fetcher.remove(hosted)
    await log.keepAside(offset)
    if (this.closed || this.options.replicas.findById(log.topicId, partition) !== hosted) return
    // Decisions that came meanwhile may have made it a member or the leader again, or it moved: then the next decision looks again.
    if (state.role === 'follower' && !state.isCountedOn && hosted.log === log) {
      hosted.truncate(Math.min(offset, log.logEndOffset))
      hosted.damage = null
      this.options.env.logger.warn({ topic, partition, from: offset }, 'a damaged replica was cut back; its leader makes it whole')
      this.options.doors.onLogRepaired({ topic, partition })
    }
    this.fetcher.update(hosted)
  }
}
