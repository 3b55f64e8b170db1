import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Fetched } from '../../src/client/consumer/fetched.js'
import { FetchSession, type FetchTarget } from '../../src/client/consumer/fetch-session.js'
import { type PartitionState, SubscriptionState } from '../../src/client/consumer/subscription.js'
import { FrameReader, parseAddresses } from '../../src/client/tcp-transport.js'
import { backoffMs } from '../../src/client/cluster/backoff.js'
import { checkNames } from '../../src/client/cluster/settings.js'
import { BatchBuilder } from '../../src/protocol/records/index.js'

function target(partition: number, fetchOffset: number, topicId = 'AAAAAAAAAAAAAAAAAAAAAQ'): FetchTarget {
  return { topic: 't', topicId, partition, currentLeaderEpoch: 0, fetchOffset, partitionMaxBytes: 1000 }
}

describe('fetch session', () => {
  test('the first request is full, later ones carry what changed and what is forgotten', () => {
    const session = new FetchSession()
    const first = session.build([target(0, 5), target(1, 5)])
    assert.deepEqual([first.sessionId, first.sessionEpoch, first.topics[0]!.partitions.length], [0, 0, 2])
    session.answered(77)
    const second = session.build([target(0, 9), target(1, 5)])
    assert.deepEqual([second.sessionId, second.sessionEpoch], [77, 1])
    assert.deepEqual(
      second.topics[0]!.partitions.map(({ partition }) => partition),
      [0],
    )
    session.answered(77)
    const third = session.build([target(1, 5)])
    assert.equal(third.sessionEpoch, 2)
    assert.deepEqual(third.topics, [])
    assert.deepEqual(third.forgottenTopicsData[0]!.partitions, [0])
  })

  test('a broker without sessions, or an error, leads back to full requests', () => {
    const session = new FetchSession()
    session.build([target(0, 5)])
    session.answered(0)
    assert.equal(session.build([target(0, 5)]).sessionEpoch, 0)
    session.answered(5)
    session.reset()
    const again = session.build([target(0, 5)])
    assert.deepEqual([again.sessionId, again.sessionEpoch, again.topics[0]!.partitions.length], [0, 0, 1])
  })

  test('a topic created anew is forgotten under its old id and added under the new one', () => {
    const session = new FetchSession()
    session.build([target(0, 5)])
    session.answered(3)
    const next = session.build([target(0, 0, 'AAAAAAAAAAAAAAAAAAAAAg')])
    assert.equal(next.forgottenTopicsData[0]!.topicId, 'AAAAAAAAAAAAAAAAAAAAAQ')
    assert.equal(next.topics[0]!.topicId, 'AAAAAAAAAAAAAAAAAAAAAg')
  })
})

function state(position = 0): PartitionState {
  const subscription = new SubscriptionState()
  subscription.assignByHand([{ topic: 't', partition: 0, offset: position }], 0)
  return subscription.get('t', 0)!
}

function batch(baseOffset: number, values: readonly string[], producerId = -1, control?: 'commit' | 'abort'): Buffer {
  const builder = new BatchBuilder()
  if (control) builder.append(1, Buffer.from([0, 0, 0, control === 'commit' ? 1 : 0]), Buffer.alloc(6))
  else for (const value of values) builder.append(1, null, value)
  const transactional = producerId >= 0
  return Buffer.from(
    builder.build({
      baseOffset,
      producerId,
      producerEpoch: transactional ? 0 : -1,
      isTransactional: transactional,
      isControl: control !== undefined,
    }),
  )
}

function readAll(fetched: Fetched): string[] {
  const values: string[] = []
  while (fetched.next()) values.push(fetched.take().value!.toString())
  return values
}

describe('a fetch answer', () => {
  test('records before the position in the first batch are left out', () => {
    const partition = state(1)
    const fetched = new Fetched(partition, batch(0, ['a', 'b', 'c']), [], {})
    assert.deepEqual(readAll(fetched), ['b', 'c'])
    assert.equal(partition.position, 3)
  })

  test('aborted transactions are left out, interleaved committed ones are not', () => {
    const bytes = Buffer.concat([
      batch(0, ['a1'], 1),
      batch(1, ['b1'], 2),
      batch(2, [], 1, 'abort'),
      batch(3, ['plain']),
      batch(4, ['a2'], 1),
      batch(5, [], 1, 'commit'),
      batch(6, [], 2, 'commit'),
    ])
    const partition = state()
    const fetched = new Fetched(partition, bytes, [{ producerId: 1, firstOffset: 0 }], { isolated: true })
    assert.deepEqual(readAll(fetched), ['b1', 'plain', 'a2'])
    fetched.finish()
    assert.equal(partition.position, 7, 'control batches move the position too')
  })

  test('the rest of a batch that was begun record by record comes as a batch', () => {
    const fetched = new Fetched(state(), batch(0, ['a', 'b', 'c']), [], {})
    assert.ok(fetched.next())
    fetched.take()
    assert.deepEqual(
      [...fetched.nextBatch()!].map(({ offset }) => offset),
      [1, 2],
    )
  })

  for (const read of ['next', 'nextBatch'] as const) {
    test(`a damaged batch is an error at its offset and nothing behind it is handed out (${read})`, () => {
      const bytes = Buffer.concat([batch(0, ['a']), batch(1, ['b']), batch(2, ['c'])])
      bytes[bytes.length / 3 + 65]! ^= 1
      const partition = state()
      const fetched = new Fetched(partition, bytes, [], {})
      if (read === 'next') {
        assert.ok(fetched.next())
        fetched.take()
      } else fetched.took(fetched.nextBatch()!)
      assert.throws(() => fetched[read](), /t-0 at offset 1: .*CRC/)
      assert.ok(fetched.isBroken)
      assert.equal(partition.position, 1)
    })
  }

  for (const [what, base] of [
    ['behind its place', 0],
    ['before its place', 2],
    ['beyond the end of the log', 2 ** 60],
  ] as const) {
    test(`a batch ${what} is an error where it should be, and a later poll meets it again`, () => {
      const partition = state()
      partition.endOffset = 3
      const fetched = new Fetched(partition, Buffer.concat([batch(0, ['a']), batch(base, ['b']), batch(2, ['c'])]), [], {})
      assert.equal(fetched.endOffset, 1)
      assert.ok(fetched.next())
      fetched.take()
      assert.throws(() => fetched.next(), /t-0 at offset 1: a record batch says offset \d+, which does not fit/)
      assert.ok(fetched.isBroken)
      assert.equal(partition.position, 1)
    })
  }

  test('the last batch beyond the end of the log is an error, but not where it just follows: a broker may look at the end before it reads', () => {
    const read = (base: number): string[] => {
      const partition = state()
      partition.endOffset = 1
      return readAll(new Fetched(partition, Buffer.concat([batch(0, ['a']), batch(base, ['b'])]), [], {}))
    }
    assert.deepEqual(read(1), ['a', 'b'])
    assert.throws(() => read(2), /t-0 at offset 1: a record batch says offset 2, which does not fit/)
  })

  test('offsets that were compacted away are no damage', () => {
    const fetched = new Fetched(state(), Buffer.concat([batch(3, ['a']), batch(7, ['b']), batch(9, ['c'])]), [], {})
    assert.deepEqual(readAll(fetched), ['a', 'b', 'c'])
  })

  test('a partial batch at the end does not count', () => {
    const bytes = Buffer.concat([batch(0, ['a']), batch(1, ['b']).subarray(0, 30)])
    assert.equal(new Fetched(state(), bytes, [], {}).endOffset, 1)
  })
})

describe('frames', () => {
  test('frames are found however the bytes are cut', () => {
    const stream = Buffer.concat([
      Buffer.from('00000003', 'hex'),
      Buffer.from('abc'),
      Buffer.from('00000000', 'hex'),
      Buffer.from('00000005', 'hex'),
      Buffer.from('hello'),
    ])
    for (let size = 1; size <= stream.length; size++) {
      const frames: string[] = []
      const reader = new FrameReader((frame) => void frames.push(Buffer.from(frame).toString()))
      for (let at = 0; at < stream.length; at += size) reader.push(stream.subarray(at, at + size))
      assert.deepEqual(
        frames,
        ['abc', 'hello'].flatMap((text, i) => (i === 1 ? ['', text] : [text])),
        `pieces of ${size}`,
      )
    }
  })

  test('a length that cannot be one is refused', () => {
    assert.throws(() => new FrameReader(() => {}).push(Buffer.from('HTTP/1.1 400')), /does not speak the Kafka protocol/)
  })
})

test('addresses: port 9092 by default, IPv6 in brackets, nonsense refused', () => {
  assert.deepEqual(
    parseAddresses('a:1, b').map(({ host, port }) => [host, port]),
    [
      ['a', 1],
      ['b', 9092],
    ],
  )
  assert.deepEqual(
    parseAddresses(['[::1]:9093']).map(({ host, port }) => [host, port]),
    [['::1', 9093]],
  )
  assert.throws(() => parseAddresses('a:b'), /'a:b' is not HOST:PORT/)
  assert.throws(() => parseAddresses(''), /names no address/)
})

test('a backoff doubles up to its limit, give or take a fifth', () => {
  assert.deepEqual(
    [1, 2, 3, 9].map((failures) => backoffMs(failures, 100, 1000, 0.5)),
    [100, 200, 400, 1000],
  )
  assert.equal(backoffMs(1, 100, 1000, 0), 80)
})

test('an unknown setting is refused with the nearest known one', () => {
  assert.throws(() => checkNames({ 'linger.ms': 5 }, ['lingerMs']), /unknown setting 'linger.ms'; did you mean 'lingerMs'/)
})
