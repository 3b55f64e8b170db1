// Odd requests about offsets and records: ListOffsets, Fetch, OffsetForLeaderEpoch, DeleteRecords, InitProducerId.

import { batchBytes } from '../bad-batches/batch.js'
import { fetched, fetchRequest, onlyPartition, type Context, type OddCase } from './context.js'

const HOUR = 3_600_000

/** Three batches of three records; times in hours before `now`: 5 3 9 | 1 8 2 | 4 7 4. Offsets 0-8. */
async function shuffled(context: Context): Promise<{ name: string; id: Buffer; now: number }> {
  const topic = await context.topic('shuffled')
  const now = Math.floor(Date.now() / HOUR) * HOUR
  for (const hours of [
    [5, 3, 9],
    [1, 8, 2],
    [4, 7, 4],
  ]) {
    const records = hours.map((ago) => ({ timestampDelta: (hours[0]! - ago) * HOUR }))
    const sent = await context.produce(topic.name, batchBytes({ baseTimestamp: now - hours[0]! * HOUR, records }))
    if (sent['error'] !== 0) throw new Error(`produce: ${String(sent['error'])}`)
  }
  return { ...topic, now }
}

async function offsetAt(context: Context, hoursAgo: number): Promise<unknown> {
  const { name, now } = await shuffled(context)
  const row = await context.offset(name, now - hoursAgo * HOUR)
  const timestamp = Number(row['timestamp'])
  return {
    error: row['error'],
    offset: row['offset'],
    hoursAgo: timestamp < 0 ? timestamp : (now - timestamp) / HOUR,
    epoch: row['leaderEpoch'],
  }
}

async function special(context: Context, timestamp: number, version: number): Promise<unknown> {
  const { name, now } = await shuffled(context)
  const row = await context.offset(name, timestamp, 0, version)
  const found = Number(row['timestamp'])
  return { ...row, timestamp: found > 0 ? `${(now - found) / HOUR} hours ago` : found }
}

async function onEmpty(context: Context, timestamp: number, version = 4): Promise<unknown> {
  return context.offset((await context.topic('empty')).name, timestamp, 0, version)
}

const LIST_OFFSETS: readonly OddCase[] = [
  ...[10, 9, 8, 7, 5, 4, 3, 2, 1].map((hours) => ({
    name: `ListOffsets: shuffled times, ${hours} hours ago`,
    ask: (c: Context) => offsetAt(c, hours),
  })),
  { name: 'ListOffsets: shuffled times, now', ask: (context) => offsetAt(context, 0) },
  ...[-1, -2, -3, -4, -5, -6, -7, -100].map((timestamp) => ({
    name: `ListOffsets: ${timestamp}, version 10`,
    ask: (context: Context) => special(context, timestamp, 10),
  })),
  ...[-1, -2, -3, -4].map((timestamp) => ({
    name: `ListOffsets: ${timestamp}, version 4`,
    ask: (context: Context) => special(context, timestamp, 4),
  })),
  ...[-1, -2, -3, -4].map((timestamp) => ({
    name: `ListOffsets: ${timestamp}, version 1`,
    ask: (context: Context) => special(context, timestamp, 1),
  })),
  ...[-1, -2, -3, -4, 0].map((timestamp) => ({
    name: `ListOffsets: ${timestamp} on an empty partition`,
    ask: (context: Context) => onEmpty(context, timestamp, 10),
  })),
  { name: 'ListOffsets: unknown topic', ask: (context) => context.offset('no-such-topic', -1) },
  { name: 'ListOffsets: unknown partition', ask: async (context) => context.offset((await context.topic('one')).name, -1, 7) },
  {
    name: 'ListOffsets: a leader epoch too new',
    ask: async (context) => {
      const { name } = await context.topic('one')
      return onlyPartition(
        await context.call('ListOffsets', 4, {
          replica: -1,
          isolation: 0,
          topics: [{ name, partitions: [{ index: 0, leaderEpoch: 9, timestamp: -1 }] }],
        }),
      )
    },
  },
  {
    name: 'ListOffsets: the same partition twice',
    ask: async (context) => {
      const { name } = await context.topic('one')
      const partition = { index: 0, leaderEpoch: -1, timestamp: -1 }
      return context.call('ListOffsets', 4, { replica: -1, isolation: 0, topics: [{ name, partitions: [partition, partition] }] })
    },
  },
  {
    name: 'ListOffsets: after DeleteRecords to 4, the first and a time before it',
    ask: async (context) => {
      const { name, now } = await shuffled(context)
      await context.call('DeleteRecords', 1, { topics: [{ name, partitions: [{ index: 0, offset: 4 }] }], timeoutMs: 10_000 })
      const at = await context.offset(name, now - 100 * HOUR)
      return { first: (await context.offset(name, -2))['offset'], at: at['offset'], hoursAgo: (now - Number(at['timestamp'])) / HOUR }
    },
  },
]

async function fetchOf(context: Context, offset: number, more = {}, request = {}): Promise<unknown> {
  return context.fetch((await shuffled(context)).name, offset, more, request)
}

const FETCH: readonly OddCase[] = [
  ...[0, 1, 2, 3, 5, 8, 9].map((offset) => ({
    name: `Fetch: from ${offset} of 0 to 8 in batches of three`,
    ask: (context: Context) => fetchOf(context, offset),
  })),
  { name: 'Fetch: beyond the end', ask: (context) => fetchOf(context, 10) },
  { name: 'Fetch: offset -1', ask: (context) => fetchOf(context, -1) },
  {
    name: 'Fetch: before the log start',
    ask: async (context) => {
      const { name } = await shuffled(context)
      await context.call('DeleteRecords', 1, { topics: [{ name, partitions: [{ index: 0, offset: 4 }] }], timeoutMs: 10_000 })
      return { before: await context.fetch(name, 2), at: await context.fetch(name, 4) }
    },
  },
  { name: 'Fetch: one byte of the partition', ask: (context) => fetchOf(context, 0, { maxBytes: 1 }) },
  { name: 'Fetch: one byte of the partition, in the second batch', ask: (context) => fetchOf(context, 4, { maxBytes: 1 }) },
  { name: 'Fetch: 150 bytes of the partition', ask: (context) => fetchOf(context, 0, { maxBytes: 150 }) },
  { name: 'Fetch: no byte of the partition', ask: (context) => fetchOf(context, 0, { maxBytes: 0 }) },
  { name: 'Fetch: one byte in all', ask: (context) => fetchOf(context, 0, {}, { maxBytes: 1 }) },
  { name: 'Fetch: no byte in all', ask: (context) => fetchOf(context, 0, {}, { maxBytes: 0 }) },
  { name: 'Fetch: minBytes more than there is', ask: (context) => fetchOf(context, 0, {}, { minBytes: 1_000_000 }) },
  { name: 'Fetch: minBytes more than there is, at the end', ask: (context) => fetchOf(context, 9, {}, { minBytes: 1 }) },
  { name: 'Fetch: a leader epoch too new', ask: (context) => fetchOf(context, 0, { leaderEpoch: 5 }) },
  { name: 'Fetch: isolation read_committed', ask: (context) => fetchOf(context, 0, {}, { isolation: 1 }) },
  { name: 'Fetch: isolation 5', ask: (context) => fetchOf(context, 0, {}, { isolation: 5 }) },
  { name: 'Fetch: unknown topic', ask: (context) => context.fetch('no-such-topic', 0) },
  { name: 'Fetch: an invalid topic name', ask: (context) => context.fetch('no/such topic', 0) },
  { name: 'Fetch: unknown partition', ask: (context) => fetchOf(context, 0, { index: 9 }) },
  { name: 'Fetch: as replica 1', notCompared: 'replication comes later', ask: (context) => fetchOf(context, 0, {}, { replica: 1 }) },
  { name: 'Fetch: as replica 99', notCompared: 'replication comes later', ask: (context) => fetchOf(context, 0, {}, { replica: 99 }) },
  { name: 'Fetch: no topics, no session', ask: async (context) => context.call('Fetch', 11, fetchRequest([])) },
  { name: 'Fetch: an unknown session', ask: async (context) => context.call('Fetch', 11, fetchRequest([], { session: 123456, epoch: 1 })) },
  { name: 'Fetch: session 0, epoch 1', ask: async (context) => context.call('Fetch', 11, fetchRequest([], { session: 0, epoch: 1 })) },
  {
    name: 'Fetch: two partitions of 60 bytes, the first one is given whole',
    ask: async (context) => {
      const { name } = await context.topic('two', 2)
      for (const index of [0, 1]) await context.produce(name, batchBytes({}), index)
      const partitions = [0, 1].map((index) => ({ index, leaderEpoch: -1, offset: 0, logStart: -1, maxBytes: 60 }))
      const answer = await context.call('Fetch', 11, fetchRequest([{ name, partitions }]))
      if (typeof answer === 'string') return answer
      return (answer['topics'] as { partitions: { index: number; records: Buffer }[] }[])[0]!.partitions.map(
        (row) => `${row.index}: ${row.records.length > 0}`,
      )
    },
  },
  {
    name: 'Fetch: by topic id, unknown',
    ask: async (context) => {
      const partition = { index: 0, leaderEpoch: -1, offset: 0, lastEpoch: -1, logStart: -1, maxBytes: 1000 }
      const answer = await context.call('Fetch', 13, fetchRequest([{ id: Buffer.alloc(16, 9), partitions: [partition] }]))
      return typeof answer === 'string' ? answer : fetched(answer)
    },
  },
  {
    name: 'Fetch: by topic id, zero',
    ask: async (context) => {
      const partition = { index: 0, leaderEpoch: -1, offset: 0, lastEpoch: -1, logStart: -1, maxBytes: 1000 }
      const answer = await context.call('Fetch', 13, fetchRequest([{ id: Buffer.alloc(16), partitions: [partition] }]))
      return typeof answer === 'string' ? answer : fetched(answer)
    },
  },
  {
    name: 'Fetch: by topic id',
    ask: async (context) => {
      const { id } = await shuffled(context)
      const partition = { index: 0, leaderEpoch: -1, offset: 4, lastEpoch: -1, logStart: -1, maxBytes: 1000 }
      const answer = await context.call('Fetch', 13, fetchRequest([{ id, partitions: [partition] }]))
      return typeof answer === 'string' ? answer : fetched(answer)
    },
  },
  {
    name: 'Fetch: a session, then only what changed, then a wrong epoch, then closed',
    ask: async (context) => {
      const { name } = await shuffled(context)
      const partition = { index: 0, leaderEpoch: -1, offset: 9, logStart: -1, maxBytes: 10_000 }
      const first = await context.call('Fetch', 11, fetchRequest([{ name, partitions: [partition] }], { epoch: 0 }))
      if (typeof first === 'string') return first
      const session = first['session'] as number
      const ask = async (epoch: number): Promise<unknown> => {
        const answer = await context.call('Fetch', 11, fetchRequest([], { session, epoch }))
        return typeof answer === 'string' ? answer : { ...fetched(answer), sameSession: answer['session'] === session }
      }
      const quiet = await ask(1)
      await context.produce(name, batchBytes({}))
      const news = await ask(2)
      return {
        opened: session > 0,
        first: fetched(first),
        quiet,
        news,
        wrongEpoch: await ask(7),
        closed: await ask(-1),
        after: await ask(3),
      }
    },
  },
]

async function deleteRecords(context: Context, offset: number): Promise<unknown> {
  const { name } = await shuffled(context)
  const deleted = onlyPartition(
    await context.call('DeleteRecords', 1, { topics: [{ name, partitions: [{ index: 0, offset }] }], timeoutMs: 10_000 }),
  )
  return { ...deleted, firstAfter: (await context.offset(name, -2))['offset'] }
}

const OTHERS: readonly OddCase[] = [
  ...[0, 4, 9, 10, -1, -2].map((offset) => ({
    name: `DeleteRecords: to ${offset} of 9`,
    ask: (context: Context) => deleteRecords(context, offset),
  })),
  {
    name: 'DeleteRecords: unknown topic',
    ask: async (context) =>
      context.call('DeleteRecords', 1, { topics: [{ name: 'no-such-topic', partitions: [{ index: 0, offset: 1 }] }], timeoutMs: 5000 }),
  },
  {
    name: 'DeleteRecords: unknown partition',
    ask: async (context) =>
      context.call('DeleteRecords', 1, {
        topics: [{ name: (await context.topic('one')).name, partitions: [{ index: 3, offset: 0 }] }],
        timeoutMs: 5000,
      }),
  },
  {
    name: 'DeleteRecords: an internal topic',
    ask: async (context) => {
      await context.call('FindCoordinator', 4, { type: 0, keys: ['any'] })
      const records = { topics: [{ name: '__consumer_offsets', partitions: [{ index: 0, offset: 0 }] }], timeoutMs: 5000 }
      return context.call('DeleteRecords', 1, records)
    },
  },
  {
    name: 'DeleteRecords: without time, nothing to wait for',
    ask: async (context) => {
      const { name } = await shuffled(context)
      return context.call('DeleteRecords', 1, { topics: [{ name, partitions: [{ index: 0, offset: 4 }] }], timeoutMs: 0 })
    },
  },
  {
    name: 'DeleteRecords: a compacted topic',
    ask: async (context) => {
      const { name } = await context.topic('compacted', 1, { 'cleanup.policy': 'compact' })
      await context.produce(name, batchBytes({}))
      return context.call('DeleteRecords', 1, { topics: [{ name, partitions: [{ index: 0, offset: 1 }] }], timeoutMs: 5000 })
    },
  },
  {
    name: 'DeleteRecords: backwards',
    ask: async (context) => {
      const { name } = await shuffled(context)
      const to = async (offset: number): Promise<unknown> =>
        onlyPartition(await context.call('DeleteRecords', 1, { topics: [{ name, partitions: [{ index: 0, offset }] }], timeoutMs: 5000 }))
      return [await to(6), await to(2)]
    },
  },
  ...[0, 1, 5, -1].map((epoch) => ({
    name: `OffsetForLeaderEpoch: epoch ${epoch}`,
    ask: async (context: Context) => {
      const { name } = await shuffled(context)
      return context.call('OffsetForLeaderEpoch', 3, {
        replica: -1,
        topics: [{ name, partitions: [{ index: 0, currentEpoch: -1, epoch }] }],
      })
    },
  })),
  {
    name: 'OffsetForLeaderEpoch: a current epoch too new',
    ask: async (context) => {
      const { name } = await shuffled(context)
      return context.call('OffsetForLeaderEpoch', 3, {
        replica: -1,
        topics: [{ name, partitions: [{ index: 0, currentEpoch: 5, epoch: 0 }] }],
      })
    },
  },
  {
    name: 'OffsetForLeaderEpoch: unknown topic',
    ask: async (context) =>
      context.call('OffsetForLeaderEpoch', 3, {
        replica: -1,
        topics: [{ name: 'no-such-topic', partitions: [{ index: 0, currentEpoch: -1, epoch: 0 }] }],
      }),
  },
  ...[60_000, 0, -1, 2_000_000_000].map((timeoutMs) => ({
    name: `InitProducerId: idempotent, transaction timeout ${timeoutMs}`,
    ask: (context: Context) => initProducerId(context, { transactionalId: null, timeoutMs, producerId: -1, epoch: -1 }),
  })),
  {
    name: 'InitProducerId: idempotent, with a producer id and epoch of before',
    ask: (context) => initProducerId(context, { transactionalId: null, timeoutMs: 60_000, producerId: 77, epoch: 3 }),
  },
  {
    name: 'InitProducerId: a producer id without an epoch',
    ask: (context) => initProducerId(context, { transactionalId: null, timeoutMs: 60_000, producerId: 77, epoch: -1 }),
  },
  {
    name: 'InitProducerId: an empty transactional id',
    ask: (context) => initProducerId(context, { transactionalId: '', timeoutMs: 60_000, producerId: -1, epoch: -1 }),
  },
  ...[0, -1, 2_000_000_000].map((timeoutMs) => ({
    name: `InitProducerId: transactional, transaction timeout ${timeoutMs}`,
    notCompared: 'transactions come later',
    ask: (context: Context) => initProducerId(context, { transactionalId: context.name('t'), timeoutMs, producerId: -1, epoch: -1 }),
  })),
]

async function initProducerId(
  context: Context,
  values: { transactionalId: string | null; timeoutMs: number; producerId: number; epoch: number },
): Promise<unknown> {
  let last: unknown = null
  await context.until(async () => {
    const answer = await context.call('InitProducerId', 4, values)
    if (typeof answer === 'string') last = answer
    else
      last = {
        error: answer['error'],
        producerId: Number(answer['producerId']) >= 0 ? 'a new one' : answer['producerId'],
        epoch: answer['epoch'],
      }
    // Coordinator not there yet, or still loading.
    return typeof answer === 'string' || (answer['error'] !== 14 && answer['error'] !== 15 && answer['error'] !== 16)
  })
  return last
}

export const LOG_CASES: readonly OddCase[] = [...LIST_OFFSETS, ...FETCH, ...OTHERS]
