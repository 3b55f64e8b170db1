import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FetchContext, FetchSessions, hasNews, remember, rotate } from '../../src/broker/handlers/fetch-session.js'
import { errors } from '../../src/model/errors.js'
import type { FetchRequest } from '../../src/protocol/schema/fetch.js'
import { failedFetch, type FetchOutcome } from '../../src/replica/fetch-plan.js'
import { fetchBody, type FetchOver } from './wire-client.js'

const ZERO = 'AAAAAAAAAAAAAAAAAAAAAA'
const ID = 'AAAAAAAAAAAAAAAAAAAAAQ'

function request(partitions: readonly number[], over: FetchOver = {}, forgotten: readonly number[] = [], topicId?: string): FetchRequest {
  const body = fetchBody(
    't',
    partitions.map((p) => [p, 0] as const),
    over,
  )
  return {
    ...body,
    topics: body.topics
      .filter(({ partitions: listed }) => listed.length > 0)
      .map((topic) => ({
        topic: topicId ? '' : topic.topic,
        topicId: topicId ?? ZERO,
        partitions: topic.partitions.map((p) => ({ currentLeaderEpoch: -1, lastFetchedEpoch: -1, logStartOffset: -1, ...p })),
      })),
    forgottenTopicsData: forgotten.length > 0 ? [{ topic: topicId ? '' : 't', topicId: topicId ?? ZERO, partitions: [...forgotten] }] : [],
  } as unknown as FetchRequest
}

function sessions(slots = 10) {
  let id = 0
  return new FetchSessions(slots, () => ++id)
}

const wantedOf = (context: FetchContext): number[] => (context.kind === 'error' ? [] : context.wanted.map(({ partition }) => partition))
const noName = (): undefined => undefined
const outcome = (over: Partial<FetchOutcome> = {}): FetchOutcome => ({
  ...failedFetch(0),
  highWatermark: 5,
  lastStableOffset: 5,
  logStartOffset: 0,
  ...over,
})

test('epoch -1 asks without a session, 0 opens one, and later epochs ask for what is in it', () => {
  const all = sessions()
  const alone = all.context(request([1, 2]), 12, 0, noName)
  assert.deepEqual([alone.kind, alone.kind !== 'error' && alone.sessionId], ['full', 0])
  const first = all.context(request([1, 2], { sessionEpoch: 0 }), 12, 0, noName)
  assert.deepEqual([first.kind, first.kind !== 'error' && first.sessionId], ['full', 1])
  assert.deepEqual(wantedOf(all.context(request([], { sessionId: 1, sessionEpoch: 1 }), 12, 0, noName)), [1, 2])
  assert.deepEqual(wantedOf(all.context(request([3], { sessionId: 1, sessionEpoch: 2 }, [1]), 12, 0, noName)), [2, 3])
})

test('a version without sessions gets none', () => {
  const first = sessions().context(request([1], { sessionEpoch: 0 }), 6, 0, noName)
  assert.ok(first.kind === 'full' && first.sessionId === 0)
})

test('an unknown session, a wrong epoch and a change between names and ids have their own errors', () => {
  const all = sessions()
  const code = (context: FetchContext): number => (context.kind === 'error' ? context.errorCode : 0)
  all.context(request([1], { sessionEpoch: 0 }), 12, 0, noName)
  assert.equal(code(all.context(request([], { sessionId: 9, sessionEpoch: 1 }), 12, 0, noName)), errors.FETCH_SESSION_ID_NOT_FOUND.code)
  assert.equal(code(all.context(request([], { sessionId: 1, sessionEpoch: 2 }), 12, 0, noName)), errors.INVALID_FETCH_SESSION_EPOCH.code)
  assert.equal(code(all.context(request([], { sessionId: 1, sessionEpoch: 1 }), 13, 0, noName)), errors.FETCH_SESSION_TOPIC_ID_ERROR.code)
  assert.equal(code(all.context(request([], { sessionId: 1, sessionEpoch: 1 }), 12, 0, noName)), 0)
})

test('the final epoch ends the session', () => {
  const all = sessions()
  all.context(request([1], { sessionEpoch: 0 }), 12, 0, noName)
  all.context(request([], { sessionId: 1, sessionEpoch: -1 }), 12, 0, noName)
  assert.equal(all.context(request([], { sessionId: 1, sessionEpoch: 1 }), 12, 0, noName).kind, 'error')
})

test('without a free slot a request is answered without a session, until an old one may go', () => {
  const all = sessions(1)
  all.context(request([1], { sessionEpoch: 0 }), 12, 0, noName)
  const second = all.context(request([1], { sessionEpoch: 0 }), 12, 119_000, noName)
  assert.ok(second.kind === 'full' && second.sessionId === 0)
  const third = all.context(request([1], { sessionEpoch: 0 }), 12, 121_000, noName)
  assert.ok(third.kind === 'full' && third.sessionId !== 0)
  assert.equal(all.context(request([], { sessionId: 1, sessionEpoch: 1 }), 12, 121_000, noName).kind, 'error')
})

test('the epoch after the last one is 1', () => {
  const all = sessions()
  const first = all.context(request([1], { sessionEpoch: 0 }), 12, 0, noName)
  assert.ok(first.kind === 'full' && first.session)
  first.session.epoch = 0x7fffffff
  assert.equal(all.context(request([], { sessionId: 1, sessionEpoch: 0x7fffffff }), 12, 0, noName).kind, 'incremental')
  assert.equal(all.context(request([], { sessionId: 1, sessionEpoch: 1 }), 12, 0, noName).kind, 'incremental')
})

test('a topic id that is unknown at first gets its name once there is one', () => {
  const all = sessions()
  all.context(request([1], { sessionEpoch: 0 }, [], ID), 13, 0, noName)
  const later = all.context(request([], { sessionId: 1, sessionEpoch: 1 }, [], ID), 13, 0, (id) => (id === ID ? 'late' : undefined))
  assert.ok(later.kind === 'incremental')
  assert.equal(later.wanted[0]!.topic, 'late')
})

test('a partition has news when there are records, an error or moved offsets, and after an error always', () => {
  const all = sessions()
  const first = all.context(request([1], { sessionEpoch: 0 }), 12, 0, noName)
  assert.ok(first.kind === 'full')
  const [one] = first.wanted
  remember(one!, outcome())
  assert.equal(hasNews(one!, outcome()), false)
  assert.equal(hasNews(one!, outcome({ highWatermark: 6 })), true)
  assert.equal(hasNews(one!, outcome({ highWatermark: 6 })), false)
  assert.equal(hasNews(one!, outcome({ highWatermark: 6, logStartOffset: 2 })), true)
  assert.equal(hasNews(one!, failedFetch(6)), true)
  assert.equal(hasNews(one!, outcome({ highWatermark: 6, logStartOffset: 2 })), true)
})

test('partitions that got records go to the end', () => {
  const all = sessions()
  const first = all.context(request([1, 2, 3], { sessionEpoch: 0 }), 12, 0, noName)
  assert.ok(first.kind === 'full' && first.session)
  rotate(first.session, [first.wanted[0]!])
  assert.deepEqual(wantedOf(all.context(request([], { sessionId: 1, sessionEpoch: 1 }), 12, 0, noName)), [2, 3, 1])
})
