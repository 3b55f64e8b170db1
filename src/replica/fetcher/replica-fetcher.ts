// Copies partitions from the nodes that lead them: sends what `FetcherState` says is due, checks and appends the answers, and asks on. Acts over a
// `ReplicaLink`; decides nothing itself. Single-threaded, on the worker that owns the partitions.
//
// The order that must hold: batches are checked, appended and written BEFORE the fetch whose offset says that they are here.

import type { Env, Timer } from '../../env/env.js'
import { errors } from '../../model/errors.js'
import type { HostedPartition } from '../hosted-partition.js'
import type { ReplicationSettings } from '../settings.js'
import { type ByteBudget, LONGEST_PAUSE_MS } from './byte-budget.js'
import { type Ask, fetchKey, FetcherState } from './fetcher-state.js'
import { decodeFetchAnswer, encodeFetchPart, type ReplicaFetchAnswer } from './messages.js'
import type { FetchPart, ReplicaLink } from './replica-link.js'

export interface ReplicaFetcherOptions {
  readonly env: Env
  readonly link: ReplicaLink
  settings(): ReplicationSettings
  /** follower.replication.throttled.rate, of the whole node. */
  readonly throttle: ByteBudget
  /** This node's registration. */
  brokerEpoch(): bigint
  find(topicId: string, partition: number): HostedPartition | undefined
  /** Batches with a wrong checksum keep coming. They were not appended; the leader has been told where. */
  onCorruptBatches(hosted: HostedPartition, leader: number, offset: number, message: string): void
}

export interface FetcherCounters {
  bytes: number
  answers: number
  corruptBatches: number
  truncations: number
  restarts: number
  errors: number
}

interface Leader {
  readonly id: number
  readonly state: FetcherState
  timer: Timer | undefined
}

export class ReplicaFetcher {
  readonly counters: FetcherCounters = { bytes: 0, answers: 0, corruptBatches: 0, truncations: 0, restarts: 0, errors: 0 }
  private readonly options: ReplicaFetcherOptions
  private readonly leaders = new Map<number, Leader>()
  /** Partition key → the leader it is fetched from. */
  private readonly leaderOf = new Map<string, number>()
  /** Appended this turn, not written yet. */
  private readonly unwritten = new Map<
    HostedPartition,
    { readonly leader: Leader; readonly key: string; bytes: number; answer: ReplicaFetchAnswer }
  >()
  private turnScheduled = false
  private closed = false

  constructor(options: ReplicaFetcherOptions) {
    this.options = options
  }

  /** The partition's role, leader, in-sync set or throttle may have changed. */
  update(hosted: HostedPartition): void {
    const { state, log } = hosted
    const key = fetchKey(log.topicId, hosted.partition)
    const wanted = state.role === 'follower' && log.failure === undefined ? state.leaderId : -1
    const known = this.leaderOf.get(key)
    if (known !== undefined && known !== wanted) this.remove(hosted)
    if (wanted === -1) return
    this.leaderOf.set(key, wanted)
    hosted.onSynced = (synced) => this.report(synced)
    const { isFollowerThrottled: throttled } = hosted
    this.leader(wanted).state.follow(log.topicId, hosted.partition, state.leaderEpoch, state.isInSync, throttled, this.now())
    this.endTurnSoon()
  }

  remove(hosted: HostedPartition): void {
    const key = fetchKey(hosted.log.topicId, hosted.partition)
    const known = this.leaderOf.get(key)
    hosted.onSynced = null
    this.unwritten.delete(hosted)
    if (known === undefined) return
    this.leaderOf.delete(key)
    const leader = this.leaders.get(known)!
    leader.state.unfollow(hosted.log.topicId, hosted.partition)
    if (leader.state.size > 0) return
    leader.timer?.cancel()
    this.leaders.delete(known)
  }

  /** The link to a node came up: what waited out an error asks at once. */
  peerUp(peer: number): void {
    this.leaders.get(peer)?.state.retryNow(this.now())
    this.endTurnSoon()
  }

  close(): void {
    this.closed = true
    for (const leader of this.leaders.values()) leader.timer?.cancel()
    this.leaders.clear()
    this.leaderOf.clear()
    this.unwritten.clear()
  }

  private now(): number {
    return this.options.env.clock.monotonic()
  }

  private leader(id: number): Leader {
    let leader = this.leaders.get(id)
    if (!leader) this.leaders.set(id, (leader = { id, state: new FetcherState(this.options.throttle), timer: undefined }))
    return leader
  }

  /** Answers of one turn share a write for each log, and a frame to each leader. */
  private endTurnSoon(): void {
    if (this.turnScheduled || this.closed) return
    this.turnScheduled = true
    queueMicrotask(() => {
      this.turnScheduled = false
      if (this.closed) return
      this.write()
      for (const leader of this.leaders.values()) this.send(leader)
    })
  }

  private write(): void {
    const settings = this.options.settings()
    for (const [hosted, { leader, key, bytes, answer }] of this.unwritten) {
      const errorCode = hosted.flushReplicated()
      if (errorCode === errors.NONE.code) {
        leader.state.appended(key, bytes, this.now())
        hosted.followLeader(answer.highWatermark, answer.logStartOffset)
      } else {
        this.counters.errors++
        leader.state.appendFailed(key, this.now(), settings)
      }
    }
    this.unwritten.clear()
  }

  private send(leader: Leader): void {
    const asks = leader.state.take(this.now(), this.options.settings())
    const sent: Ask[] = []
    const parts: FetchPart[] = []
    for (const ask of asks) {
      const hosted = this.options.find(ask.topicId, ask.partition)
      if (!hosted) continue
      sent.push(ask)
      parts.push(this.part(hosted, ask))
    }
    if (parts.length > 0) this.call(leader, sent, parts)
    for (const { topicId, partition } of leader.state.takeHeldBack()) {
      const hosted = this.options.find(topicId, partition)
      if (hosted) this.sendReport(leader, hosted)
    }
    this.waitForDue(leader)
  }

  private call(leader: Leader, asks: readonly Ask[], parts: readonly FetchPart[]): void {
    const over = (): void => {
      if (this.closed) return
      for (const { key, id } of asks) leader.state.lost(key, id, this.now(), this.options.settings())
      this.endTurnSoon()
    }
    // Resolved means all answered, and then `lost` finds nothing to do.
    this.options.link.fetch(leader.id, parts, (index, body) => this.answered(leader, asks[index]!, body)).then(over, over)
  }

  private waitForDue(leader: Leader): void {
    leader.timer?.cancel()
    leader.timer = undefined
    const now = this.now()
    const due = leader.state.nextDue(now)
    if (due === Infinity) return
    leader.timer = this.options.env.timers.after(Math.min(Math.max(1, due - now), LONGEST_PAUSE_MS), () => this.endTurnSoon())
  }

  private part({ log, state, damage }: HostedPartition, ask: Ask, isReport = false): FetchPart {
    const body = encodeFetchPart({
      replicaEpoch: this.options.brokerEpoch(),
      currentLeaderEpoch: ask.leaderEpoch,
      fetchOffset: log.writtenOffset,
      lastFetchedEpoch: log.latestEpoch,
      logStartOffset: log.logStartOffset,
      durableOffset: state.promise === 'disk' ? state.durableOffset : -1,
      highWatermark: state.highWatermark,
      maxBytes: isReport ? 0 : ask.maxBytes,
      minBytes: ask.minBytes,
      maxWaitMs: isReport ? 0 : ask.maxWaitMs,
      corruptOffset: ask.corruptOffset,
      unfit: damage !== null || log.isFull,
    })
    return { topicId: ask.topicId, partition: ask.partition, body }
  }

  private answered(leader: Leader, ask: Ask, body: Uint8Array | null): void {
    if (this.closed || this.leaders.get(leader.id) !== leader) return
    if (body === null) {
      // Others of the frame may wait on for long: this one is asked again after its pause.
      leader.state.lost(ask.key, ask.id, this.now(), this.options.settings())
      this.endTurnSoon()
      return
    }
    const hosted = this.options.find(ask.topicId, ask.partition)
    if (!hosted) return
    this.counters.answers++
    try {
      const { answer, records } = decodeFetchAnswer(body)
      this.act(leader, ask, hosted, answer, records)
    } catch (error) {
      // Not one of our answers, or the log failed under it: neither may end the worker.
      this.counters.errors++
      this.options.env.logger.warn(
        { topic: hosted.topic, partition: hosted.partition, leader: leader.id, error: (error as Error).message },
        'an answer of a partition leader could not be used; it is asked again',
      )
      leader.state.lost(ask.key, ask.id, this.now(), this.options.settings())
      leader.state.appendFailed(ask.key, this.now(), this.options.settings())
    }
    this.endTurnSoon()
  }

  private act(leader: Leader, ask: Ask, hosted: HostedPartition, answer: ReplicaFetchAnswer, records: Uint8Array): void {
    const { log } = hosted
    const step = leader.state.answered(ask.key, ask.id, answer, log, this.now(), this.options.settings())
    switch (step.kind) {
      case 'stale':
        return
      case 'wait':
        this.counters.errors++
        return
      case 'truncate':
        this.truncate(hosted, step.offset)
        leader.state.moved(ask.key, this.now())
        return
      case 'restart':
        this.counters.restarts++
        this.options.env.logger.warn(
          { topic: hosted.topic, partition: hosted.partition, from: log.logStartOffset, to: log.logEndOffset, startAt: step.offset },
          "nothing of this replica is within the leader's log any more: it begins anew there",
        )
        hosted.restartAt(step.offset)
        leader.state.moved(ask.key, this.now())
        return
      case 'append':
        this.append(leader, ask, hosted, answer, records)
    }
  }

  private append(leader: Leader, ask: Ask, hosted: HostedPartition, answer: ReplicaFetchAnswer, records: Uint8Array): void {
    const settings = this.options.settings()
    const { errorCode, size, corrupt } = hosted.appendReplicated(records, ask.leaderEpoch, answer.logEndOffset)
    this.counters.bytes += size
    if (errorCode !== errors.NONE.code) {
      this.counters.errors++
      hosted.flushReplicated()
      leader.state.appendFailed(ask.key, this.now(), settings)
      return
    }
    this.unwritten.set(hosted, { leader, key: ask.key, bytes: size, answer })
    if (corrupt === undefined) return
    // What came before the bad batch is good and is written first, so that the next ask begins at the bad one.
    this.write()
    this.counters.corruptBatches++
    this.options.env.logger.error(
      { topic: hosted.topic, partition: hosted.partition, leader: leader.id, offset: corrupt.offset },
      `${corrupt.message}: not appended, asked for again`,
    )
    if (leader.state.corrupted(ask.key, corrupt.offset, this.now(), settings))
      this.options.onCorruptBatches(hosted, leader.id, corrupt.offset, corrupt.message)
  }

  private truncate(hosted: HostedPartition, offset: number): void {
    this.counters.truncations++
    const { log, state } = hosted
    const fields = {
      topic: hosted.topic,
      partition: hosted.partition,
      from: log.logEndOffset,
      to: offset,
      highWatermark: state.highWatermark,
    }
    if (offset < state.highWatermark)
      this.options.env.logger.warn(fields, 'the log is cut below its high watermark: another history was elected')
    else this.options.env.logger.info(fields, 'the log is cut to where it agrees with the leader')
    hosted.truncate(offset)
  }

  /** Our next ask is parked at the leader, which waits for our disk, or must know that this log is unfit: it is told at once. */
  report(hosted: HostedPartition): void {
    const key = fetchKey(hosted.log.topicId, hosted.partition)
    const leader = this.leaders.get(this.leaderOf.get(key) ?? -1)
    if (this.closed || !leader?.state.isAsked(key)) return
    this.sendReport(leader, hosted)
  }

  private sendReport(leader: Leader, hosted: HostedPartition): void {
    const { log, state } = hosted
    const ask = {
      key: fetchKey(log.topicId, hosted.partition),
      id: 0,
      topicId: log.topicId,
      partition: hosted.partition,
      leaderEpoch: state.leaderEpoch,
      maxBytes: 0,
      minBytes: 0,
      maxWaitMs: 0,
      corruptOffset: -1,
    }
    // Nothing hangs on its answer: when it is lost, the next fetch says the same.
    const ignore = (): void => {}
    this.options.link.fetch(leader.id, [this.part(hosted, ask, true)], ignore).catch(ignore)
  }
}
