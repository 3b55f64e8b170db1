// Incremental fetch sessions (KIP-227): a client names its partitions once and afterwards only what changed. The sessions of one worker;
// a connection that goes to another worker takes its own along. A client whose new connection reaches another worker is told that the session
// is unknown and starts a new one, as after any restart.

import type { Random } from '../../env/env.js'
import { errors } from '../../model/errors.js'
import { ZERO_UUID } from '../../model/topic-partition.js'
import type { FetchRequest } from '../../protocol/schema/fetch.js'
import type { FetchOutcome } from '../../replica/fetch-plan.js'

const FINAL_EPOCH = -1
const INITIAL_EPOCH = 0
const MAX_EPOCH = 0x7fffffff
/** A session not used for this long may be dropped for a new one (min.incremental.fetch.session.eviction.ms). */
const EVICTABLE_AFTER_MS = 120_000

/** One partition a client wants. */
export interface WantedPartition {
  /** '' while the id is unknown here. */
  topic: string
  readonly topicId: string
  readonly partition: number
  fetchOffset: number
  maxBytes: number
  currentLeaderEpoch: number
  lastFetchedEpoch: number
  /** What the client was told last; -2: nothing yet. */
  toldHighWatermark: number
  toldLogStartOffset: number
}

export interface Session {
  readonly id: number
  readonly usesTopicIds: boolean
  epoch: number
  lastUsedMs: number
  readonly partitions: Map<string, WantedPartition>
}

export type FetchContext =
  | { readonly kind: 'error'; readonly errorCode: number }
  | {
      readonly kind: 'full'
      readonly sessionId: number
      readonly wanted: readonly WantedPartition[]
      readonly session: Session | undefined
    }
  | { readonly kind: 'incremental'; readonly sessionId: number; readonly wanted: readonly WantedPartition[]; readonly session: Session }

/** Kafka's sessions have positive ids. */
export function randomSessionId(random: Random): number {
  const [a = 0, b = 0, c = 0, d = 0] = random.bytes(4)
  return ((a & 0x7f) << 24) | (b << 16) | (c << 8) | d
}

export class FetchSessions {
  private readonly sessions = new Map<number, Session>()
  private readonly slots: number
  private readonly newId: () => number

  constructor(slots: number, newId: () => number) {
    this.slots = slots
    this.newId = newId
  }

  /** What this request asks for, and under which session. `nameOf`: topic id → name, undefined when unknown. */
  context(request: FetchRequest, version: number, nowMs: number, nameOf: (topicId: string) => string | undefined): FetchContext {
    const byId = version >= 13
    if (request.sessionEpoch === FINAL_EPOCH || request.sessionEpoch === INITIAL_EPOCH) {
      this.sessions.delete(request.sessionId)
      const wanted = listed(request, byId, nameOf)
      const session = request.sessionEpoch === INITIAL_EPOCH && version >= 7 ? this.create(wanted, byId, nowMs) : undefined
      return { kind: 'full', sessionId: session?.id ?? 0, wanted, session }
    }
    const session = this.sessions.get(request.sessionId)
    if (!session) return { kind: 'error', errorCode: errors.FETCH_SESSION_ID_NOT_FOUND.code }
    if (session.epoch !== request.sessionEpoch) return { kind: 'error', errorCode: errors.INVALID_FETCH_SESSION_EPOCH.code }
    if (session.usesTopicIds !== byId) return { kind: 'error', errorCode: errors.FETCH_SESSION_TOPIC_ID_ERROR.code }
    session.epoch = session.epoch === MAX_EPOCH ? 1 : session.epoch + 1
    session.lastUsedMs = nowMs
    this.update(session, request, byId, nameOf)
    return { kind: 'incremental', sessionId: session.id, wanted: [...session.partitions.values()], session }
  }

  /** It goes with its connection to another worker. */
  release(id: number): Session | undefined {
    const session = this.sessions.get(id)
    this.sessions.delete(id)
    return session
  }

  /** One that comes with its connection. Without room for it the client is told that it is unknown. */
  adopt(session: Session): void {
    if (!this.sessions.has(session.id) && (this.sessions.size < this.slots || this.evict(session.lastUsedMs)))
      this.sessions.set(session.id, session)
  }

  private create(wanted: readonly WantedPartition[], usesTopicIds: boolean, nowMs: number): Session | undefined {
    if (this.sessions.size >= this.slots && !this.evict(nowMs)) return undefined
    let id = this.newId()
    while (id === 0 || this.sessions.has(id)) id = this.newId()
    const session: Session = { id, usesTopicIds, epoch: 1, lastUsedMs: nowMs, partitions: new Map(wanted.map((one) => [keyOf(one), one])) }
    this.sessions.set(id, session)
    return session
  }

  private evict(nowMs: number): boolean {
    let oldest: Session | undefined
    for (const session of this.sessions.values()) if (!oldest || session.lastUsedMs < oldest.lastUsedMs) oldest = session
    if (!oldest || nowMs - oldest.lastUsedMs < EVICTABLE_AFTER_MS) return false
    return this.sessions.delete(oldest.id)
  }

  private update(session: Session, request: FetchRequest, byId: boolean, nameOf: (topicId: string) => string | undefined): void {
    for (const one of listed(request, byId, nameOf)) {
      const key = keyOf(one)
      const known = session.partitions.get(key)
      if (known) {
        const { fetchOffset, maxBytes, currentLeaderEpoch, lastFetchedEpoch } = one
        Object.assign(known, { fetchOffset, maxBytes, currentLeaderEpoch, lastFetchedEpoch })
      } else session.partitions.set(key, one)
    }
    for (const { topic, topicId, partitions } of request.forgottenTopicsData) {
      for (const partition of partitions) session.partitions.delete(keyOf({ topic, topicId, partition }))
    }
    if (byId) for (const one of session.partitions.values()) if (one.topic === '') one.topic = nameOf(one.topicId) ?? ''
  }
}

/** Whether an incremental answer has to name this partition; remembers what the client is told. */
export function hasNews(wanted: WantedPartition, outcome: FetchOutcome): boolean {
  const news =
    outcome.errorCode !== 0 ||
    outcome.plan !== null ||
    outcome.divergingEpoch !== null ||
    outcome.preferredReadReplica !== -1 ||
    outcome.highWatermark !== wanted.toldHighWatermark ||
    outcome.logStartOffset !== wanted.toldLogStartOffset
  remember(wanted, outcome)
  return news
}

export function remember(wanted: WantedPartition, outcome: FetchOutcome): void {
  // After an error the client must hear of the partition again, whatever the offsets say then.
  wanted.toldHighWatermark = outcome.errorCode === 0 ? outcome.highWatermark : -2
  wanted.toldLogStartOffset = outcome.errorCode === 0 ? outcome.logStartOffset : -2
}

/** Partitions that got records go to the end, so that a small `max_bytes` starves nobody. */
export function rotate(session: Session, served: readonly WantedPartition[]): void {
  for (const one of served) {
    const key = keyOf(one)
    if (session.partitions.delete(key)) session.partitions.set(key, one)
  }
}

function keyOf({ topic, topicId, partition }: { topic: string; topicId: string; partition: number }): string {
  return topicId === ZERO_UUID ? `${topic}-${partition}` : `${topicId}-${partition}`
}

function listed(request: FetchRequest, byId: boolean, nameOf: (topicId: string) => string | undefined): WantedPartition[] {
  const wanted: WantedPartition[] = []
  for (const { topic, topicId, partitions } of request.topics) {
    const name = byId ? (nameOf(topicId) ?? '') : topic
    for (const { partition, fetchOffset, partitionMaxBytes, currentLeaderEpoch, lastFetchedEpoch } of partitions) {
      wanted.push({
        topic: name,
        topicId: byId ? topicId : ZERO_UUID,
        partition,
        fetchOffset,
        maxBytes: partitionMaxBytes,
        currentLeaderEpoch,
        lastFetchedEpoch,
        toldHighWatermark: -2,
        toldLogStartOffset: -2,
      })
    }
  }
  return wanted
}
