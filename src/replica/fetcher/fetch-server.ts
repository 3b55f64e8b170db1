// A partition leader's side of replication on one worker: takes the parts of followers' fetches, notes how far they are, and answers each part
// when there is something for it, or when its time is up. Records are read from the file to where they leave from. Single-threaded, on the owner.
//
// A fetch is judged first (`fetch-judgement.ts`), and only one that passes counts as progress. A newer fetch of the same replica and partition
// ends the older one. Parts of one frame wait together for `minBytes`.

import type { Env, Timer } from '../../env/env.js'
import { errors } from '../../model/errors.js'
import type { HostedPartition } from '../hosted-partition.js'
import type { ReplicationSettings } from '../settings.js'
import { type ByteBudget, LONGEST_PAUSE_MS } from './byte-budget.js'
import { answerHead, divergence, judge, refusal, refusalOf } from './fetch-judgement.js'
import { fetchKey } from './fetcher-state.js'
import { decodeFetchPart, encodeFetchAnswer, type FetchAnswerBody, type ReplicaFetchPart } from './messages.js'
import { Outflow } from './outflow.js'
import type { FetchPart } from './replica-link.js'

/** Some bursts take longer on a busy machine, and cost only what there would be without them. */
const LONGEST_BURST_MS = 50

export interface FetchServerOptions {
  readonly env: Env
  settings(): ReplicationSettings
  /** leader.replication.throttled.rate, of the whole node. */
  readonly throttle: ByteBudget
  /** The registered life of a broker; undefined: fenced or gone. */
  liveEpochOf(id: number): bigint | undefined
  find(topicId: string, partition: number): HostedPartition | undefined
  /** A follower's progress may have changed the in-sync set or the high watermark. */
  onProgress(hosted: HostedPartition, replica: number, moved: boolean): void
  /** A follower got a wrong checksum for the batch at `offset`: is it wrong in this log as well? */
  onCorruptReport(hosted: HostedPartition, replica: number, offset: number): void
}

/** Parts of one frame that wait equally long. */
interface Group {
  readonly minBytes: number
  readonly parked: Set<Parked>
  timer: Timer | undefined
}

interface Parked {
  readonly key: string
  readonly replica: number
  readonly part: ReplicaFetchPart
  readonly hosted: HostedPartition
  readonly group: Group
  readonly answer: (body: FetchAnswerBody) => void
}

interface Peer {
  readonly outflow: Outflow
  /** By partition: at most one fetch of a replica and partition is parked. */
  readonly parked: Map<string, Parked>
  /** Of them, those that there is data for, and no room on the way or no budget. */
  readonly starved: Set<Parked>
  /** While some wait for the end of a burst. */
  burst: Timer | undefined
}

export interface FetchServerCounters {
  parts: number
  bytes: number
  fenced: number
  diverging: number
}

export class FetchServer {
  readonly counters: FetchServerCounters = { parts: 0, bytes: 0, fenced: 0, diverging: 0 }
  private readonly options: FetchServerOptions
  private readonly peers = new Map<number, Peer>()
  private readonly byPartition = new Map<HostedPartition, Set<Parked>>()
  private throttleTimer: Timer | undefined
  /** Something may have become answerable this turn. */
  private readonly news = new Set<HostedPartition>()
  private readonly relieved = new Set<Peer>()
  private drainScheduled = false
  private closed = false

  constructor(options: FetchServerOptions) {
    this.options = options
  }

  /** The parts of one frame that this worker owns. `answer` is called once for each, now or later. */
  serve(replica: number, parts: readonly FetchPart[], answer: (index: number, body: FetchAnswerBody) => void): void {
    const groups = new Map<string, Group>()
    const admitted: Parked[] = []
    parts.forEach(({ topicId, partition, body }, index) => {
      this.counters.parts++
      const reply = (bytes: FetchAnswerBody): void => answer(index, bytes)
      const one = this.admit(replica, topicId, partition, body, reply, groups)
      if (one) admitted.push(one)
    })
    // Those in sync first: a producer waits for them.
    admitted.sort((a, b) => Number(this.isCatchUp(a)) - Number(this.isCatchUp(b)))
    for (const one of admitted) this.park(one)
    for (const group of groups.values()) this.answerReady(group)
    this.drainSoon()
  }

  /** The link to a follower broke: nobody reads these answers. */
  peerDown(replica: number): void {
    const peer = this.peers.get(replica)
    if (!peer) return
    for (const one of Array.from(peer.parked.values())) this.unpark(one)
    peer.burst?.cancel()
    this.peers.delete(replica)
  }

  /** The partition left this worker. */
  forget(hosted: HostedPartition, errorCode: number): void {
    for (const one of Array.from(this.byPartition.get(hosted) ?? [])) this.refuse(one, errorCode)
    const key = fetchKey(hosted.log.topicId, hosted.partition)
    for (const peer of this.peers.values()) if (peer.outflow.arrived(key)) this.relieve(peer)
    this.drainSoon()
  }

  /** Another rate, or other replicas that it holds for. */
  throttlesChanged(): void {
    for (const peer of this.peers.values()) this.relieve(peer)
    this.drainSoon()
  }

  close(): void {
    this.closed = true
    this.throttleTimer?.cancel()
    for (const id of Array.from(this.peers.keys())) this.peerDown(id)
  }

  private peer(replica: number): Peer {
    let peer = this.peers.get(replica)
    if (!peer) this.peers.set(replica, (peer = { outflow: new Outflow(), parked: new Map(), starved: new Set(), burst: undefined }))
    return peer
  }

  /** Judges a part, and notes what it says. undefined: it is answered. */
  private admit(
    replica: number,
    topicId: string,
    partition: number,
    body: Uint8Array,
    reply: (body: FetchAnswerBody) => void,
    groups: Map<string, Group>,
  ): Parked | undefined {
    const key = fetchKey(topicId, partition)
    const peer = this.peer(replica)
    const part = tryDecode(body)
    if (part === undefined) {
      reply(encodeFetchAnswer(refusal(errors.INVALID_REQUEST.code)))
      return undefined
    }
    const isReport = part.maxBytes === 0
    if (isReport ? peer.outflow.reached(key, part.fetchOffset) : peer.outflow.arrived(key)) this.relieve(peer)
    if (!isReport) {
      const older = peer.parked.get(key)
      if (older) this.finish(older, 0)
    }
    const hosted = this.options.find(topicId, partition)
    if (!hosted) {
      reply(encodeFetchAnswer(refusal(errors.NOT_LEADER_OR_FOLLOWER.code)))
      return undefined
    }
    const errorCode = judge(hosted, replica, part, this.options.liveEpochOf(replica))
    if (errorCode !== errors.NONE.code) {
      this.counters.fenced++
      reply(encodeFetchAnswer(refusalOf(hosted, errorCode)))
      return undefined
    }
    const diverging = divergence(hosted, part)
    if (diverging) {
      this.counters.diverging++
      reply(encodeFetchAnswer(diverging))
      return undefined
    }
    this.note(hosted, replica, part)
    if (isReport) {
      reply(encodeFetchAnswer(answerHead(hosted, 0)))
      return undefined
    }
    const groupKey = `${part.maxWaitMs}/${part.minBytes}`
    let group = groups.get(groupKey)
    if (!group) groups.set(groupKey, (group = { minBytes: part.minBytes, parked: new Set(), timer: undefined }))
    return { key, replica, part, hosted, group, answer: reply }
  }

  private note(hosted: HostedPartition, replica: number, part: ReplicaFetchPart): void {
    const { state } = hosted
    const follower = state.follower(replica)!
    follower.logStartOffset = part.logStartOffset
    follower.unfit = part.unfit
    const durable = part.durableOffset < 0 ? part.fetchOffset : part.durableOffset
    const moved = state.followerFetched(replica, part.fetchOffset, this.options.env.clock.monotonic(), durable, part.replicaEpoch)
    this.options.onProgress(hosted, replica, moved)
    if (part.corruptOffset >= 0) this.options.onCorruptReport(hosted, replica, part.corruptOffset)
  }

  // ---- waiting

  private park(one: Parked): void {
    this.peer(one.replica).parked.set(one.key, one)
    let parked = this.byPartition.get(one.hosted)
    if (!parked) this.byPartition.set(one.hosted, (parked = new Set()))
    parked.add(one)
    one.hosted.onReplicationNews = this.onNews
    const { group } = one
    group.parked.add(one)
    group.timer ??= this.options.env.timers.after(one.part.maxWaitMs, () => this.timeUp(group))
  }

  private unpark(one: Parked): void {
    const { group, hosted } = one
    group.parked.delete(one)
    if (group.parked.size === 0) {
      group.timer?.cancel()
      group.timer = undefined
    }
    const peer = this.peers.get(one.replica)
    if (peer?.parked.get(one.key) === one) peer.parked.delete(one.key)
    peer?.starved.delete(one)
    const parked = this.byPartition.get(hosted)
    parked?.delete(one)
    if (parked?.size !== 0) return
    this.byPartition.delete(hosted)
    hosted.onReplicationNews = null
  }

  private timeUp(group: Group): void {
    group.timer = undefined
    for (const one of Array.from(group.parked)) this.finish(one, this.mayServe(one) ? one.part.maxBytes : 0)
  }

  /** Called from the middle of an append: only notes it. */
  private readonly onNews = (hosted: HostedPartition): void => {
    this.news.add(hosted)
    this.drainSoon()
  }

  private drainSoon(): void {
    if (this.drainScheduled || this.closed || (this.news.size === 0 && this.relieved.size === 0)) return
    this.drainScheduled = true
    queueMicrotask(() => {
      this.drainScheduled = false
      if (!this.closed) this.drain()
    })
  }

  private drain(): void {
    const touched = new Set<Parked>()
    for (const hosted of this.news) for (const one of this.byPartition.get(hosted) ?? []) touched.add(one)
    this.news.clear()
    for (const peer of this.relieved) for (const one of peer.starved) touched.add(one)
    this.relieved.clear()
    const groups = new Set<Group>()
    for (const one of touched) {
      if (one.group.minBytes > 1) groups.add(one.group)
      else this.answerIfReady(one, true)
    }
    for (const group of groups) this.answerReady(group)
  }

  /** Parts that wait for `minBytes` wait together. Others are looked at one by one: thousands of idle ones may lie in the same group. */
  private answerReady(group: Group): void {
    let bytes = 0
    // What lies between offsets is not known without a look at the file.
    if (group.minBytes > 1) for (const one of group.parked) if (hasData(one)) bytes += this.available(one)
    const isEnough = bytes >= group.minBytes || group.minBytes <= 1
    for (const one of Array.from(group.parked)) this.answerIfReady(one, isEnough)
  }

  private answerIfReady(one: Parked, isEnough: boolean): void {
    const { hosted, part } = one
    const errorCode = hosted.state.checkLeader(part.currentLeaderEpoch)
    if (errorCode !== errors.NONE.code) this.refuse(one, errorCode)
    else if (isEnough && hasData(one)) {
      if (this.mayServe(one)) this.finish(one, part.maxBytes)
      else this.starve(one)
    } else if (hosted.log.logStartOffset > part.logStartOffset) this.finish(one, 0)
    else if (this.options.settings().rackAware && hosted.state.highWatermark > part.highWatermark) this.finish(one, 0)
  }

  private starve(one: Parked): void {
    const peer = this.peer(one.replica)
    peer.starved.add(one)
    if (!peer.outflow.isBursting) return
    peer.burst ??= this.options.env.timers.after(LONGEST_BURST_MS, () => {
      peer.burst = undefined
      peer.outflow.endBurst()
      this.relieve(peer)
      this.drainSoon()
    })
  }

  /** There may be room on the way to that follower. */
  private relieve(peer: Peer): void {
    if (!peer.outflow.isBursting) {
      peer.burst?.cancel()
      peer.burst = undefined
    }
    if (peer.starved.size > 0) this.relieved.add(peer)
  }

  private available({ hosted, part }: Parked): number {
    const plan = hosted.log.planRead(part.fetchOffset, part.maxBytes, Infinity, true)
    return plan.kind === 'error' ? Infinity : plan.size
  }

  private isCatchUp({ hosted, replica }: Parked): boolean {
    return hosted.state.follower(replica)?.inMaximalIsr !== true
  }

  /** Room on the way to that follower; for a throttled one that is not in sync, leader.replication.throttled.rate as well. */
  private mayServe(one: Parked): boolean {
    const { env } = this.options
    const catchUp = this.isCatchUp(one)
    if (!this.peer(one.replica).outflow.hasRoom(catchUp, this.options.settings().fetchResponseMaxBytes)) return false
    if (!catchUp || !one.hosted.isLeaderThrottled) return true
    const now = env.clock.monotonic()
    const throttle = this.throttleAt(now)
    if (throttle.isOpen(now)) return true
    this.throttleTimer ??= env.timers.after(Math.min(throttle.opensAt(now) - now, LONGEST_PAUSE_MS), () => {
      this.throttleTimer = undefined
      this.throttlesChanged()
    })
    return false
  }

  /** As Kafka, what those in sync are given counts as well, so that the rate holds for all that leaves for throttled replicas. */
  private spend(hosted: HostedPartition, bytes: number): void {
    if (!hosted.isLeaderThrottled) return
    const now = this.options.env.clock.monotonic()
    this.throttleAt(now).spend(bytes, now)
  }

  /** At the rate that is set now. */
  private throttleAt(now: number): ByteBudget {
    const { throttle } = this.options
    throttle.setRate(this.options.settings().leaderThrottledRate, now)
    return throttle
  }

  // ---- answering

  private refuse(one: Parked, errorCode: number): void {
    this.unpark(one)
    one.answer(encodeFetchAnswer(refusalOf(one.hosted, errorCode)))
  }

  /** Answers with up to `maxBytes` of records; 0: with none. */
  private finish(one: Parked, maxBytes: number): void {
    this.unpark(one)
    const { hosted, part } = one
    if (maxBytes === 0 || !hasData(one)) {
      one.answer(encodeFetchAnswer(answerHead(hosted, 0)))
      return
    }
    const { log } = hosted
    const plan = log.planRead(part.fetchOffset, maxBytes, Infinity, true)
    if (plan.kind === 'error') {
      one.answer(encodeFetchAnswer(refusalOf(hosted, plan.errorCode)))
      return
    }
    this.counters.bytes += plan.size
    this.peer(one.replica).outflow.sent(one.key, part.fetchOffset, plan.size, this.isCatchUp(one))
    this.spend(hosted, plan.size)
    try {
      one.answer(encodeFetchAnswer(answerHead(hosted, plan.size), (target, at) => log.readInto(plan, target, at)))
    } catch (error) {
      this.options.env.logger.error(
        { topic: hosted.topic, partition: hosted.partition, error: (error as Error).message },
        'records for a follower could not be read',
      )
      one.answer(encodeFetchAnswer(refusalOf(hosted, errors.KAFKA_STORAGE_ERROR.code)))
    }
  }
}

/** Peers are authenticated, but a newer one may say what this one cannot read. */
function tryDecode(body: Uint8Array): ReplicaFetchPart | undefined {
  try {
    return decodeFetchPart(body)
  } catch {
    return undefined
  }
}

function hasData({ hosted, part }: Parked): boolean {
  return hosted.log.writtenOffset > part.fetchOffset
}
