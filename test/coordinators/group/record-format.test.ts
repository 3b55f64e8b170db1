import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  groupRecord,
  groupTombstone,
  offsetRecord,
  offsetTombstone,
  readGroupRecord,
} from '../../../src/coordinators/group/record-format.js'
import { ZERO_UUID } from '../../../src/model/topic-partition.js'

const hex = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString('hex'))
const record = (key: string, value: string | null) => ({
  key: Buffer.from(key, 'hex'),
  value: value === null ? null : Buffer.from(value, 'hex'),
})

/** Key and value as Apache Kafka 4.4 wrote them into its own __consumer_offsets. */
const WRITTEN_BY_KAFKA: readonly (readonly [name: string, key: string, value: string | null])[] = [
  [
    'an offset with its topic id',
    '000100017300017400000000',
    '00040000000000000005ffffffff0668656c6c6f000001a20a2703a00100107a28f5c3039748ee98185adc04f9a203',
  ],
  ['an offset with an expiry of its own', '000100017300017400000001', '000100000000000000080000000001a20a2703b8000001a20a5df238'],
  ['a deleted offset', '000100017300017400000001', null],
  ['a new group', '00020002636e', '0003000000000000ffffffff000001a20a271d2900000000'],
  [
    'a generation with a member',
    '00020002636e',
    '00030007636f6e6e65637400000001000170002b7363726970742d37616538363132352d376663362d343661612d623435392d636661633265396531653932000001a20a2728e200000001002b7363726970742d37616538363132352d376663362d343661612d623435392d636661633265396531653932ffff0006736372697074000a2f3132372e302e302e310000ea6000007530000000017800000000',
  ],
  ['a group without members', '00020002636e', '00030007636f6e6e65637400000002ffffffff000001a20a27292400000000'],
  ['a deleted group', '0002000173', null],
]

for (const [name, key, value] of WRITTEN_BY_KAFKA) {
  test(`${name}: what Kafka wrote is read, and written back byte for byte`, () => {
    const read = readGroupRecord(record(key, value))
    assert.notEqual(read.kind, 'unknown')
    if (read.kind === 'unknown') return
    const rewritten =
      read.kind === 'group'
        ? read.value === null
          ? groupTombstone(read.groupId)
          : groupRecord(read.groupId, read.value)
        : read.value === null
          ? offsetTombstone(read.groupId, read.topic, read.partition)
          : offsetRecord(read.groupId, read.topic, read.partition, read.value)
    assert.deepEqual([hex(rewritten.key), hex(rewritten.value)], [key, value])
  })
}

test('older versions of an offset are read', () => {
  const [offset, timestamp] = ['0000000000000009', '000001a20a2703a0']
  const values = [
    `0000${offset}000178${timestamp}`,
    `0001${offset}000178${timestamp}ffffffffffffffff`,
    `0002${offset}000178${timestamp}`,
    `0003${offset}ffffffff000178${timestamp}`,
    `0004${offset}ffffffff0278${timestamp}00`,
  ]
  for (const key of ['0001', '0000']) {
    for (const value of values) {
      assert.deepEqual(readGroupRecord(record(`${key}00016700017400000002`, value)), {
        kind: 'offset',
        groupId: 'g',
        topic: 't',
        partition: 2,
        value: { offset: 9, leaderEpoch: -1, metadata: 'x', commitTimestamp: 0x1a20a2703a0, expireTimestamp: null, topicId: ZERO_UUID },
      })
    }
  }
})

test('a group of before rebalance timeouts and instance ids is read', () => {
  const value = '00000001630000000500017000016d00000001' + '00016d' + '00016300012f' + '00002710' + '0000000161' + '0000000162'
  const read = readGroupRecord(record('0002000167', value))
  assert.ok(read.kind === 'group' && read.value !== null)
  assert.equal(read.value.currentStateTimestamp, -1)
  const [member] = read.value.members
  assert.deepEqual([member!.rebalanceTimeoutMs, member!.sessionTimeoutMs, member!.groupInstanceId], [10_000, 10_000, null])
  assert.deepEqual([hex(member!.subscription), hex(member!.assignment)], ['61', '62'])
})

test('key types of newer groups are unknown, not errors', () => {
  assert.deepEqual(readGroupRecord(record('0003000167', '000000000001')), { kind: 'unknown', keyType: 3 })
})
