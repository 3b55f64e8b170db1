import assert from 'node:assert/strict'
import { test } from 'node:test'
import { murmur2, partitionForKey } from '../../src/client/producer/murmur2.js'

// Printed by Java's org.apache.kafka.common.utils.Utils.murmur2 for these bytes.
const VECTORS: readonly (readonly [hex: string, hash: number])[] = [
  ['', 275646681],
  ['35', 55100550],
  ['f78a', 1288432276],
  ['e1bbe7', -983584298],
  ['28c0450c', -392157833],
  ['e43c084f4b', 650222576],
  ['839dee466d852c', 1702911219],
  ['be6a61aa9a0c6117', -504298903],
  ['bd6743e7dc978573998e685e885cb361', 1964642903],
  ['f86c974620bebfb01100b276545718c30f406cc8e3', 993208379],
  ['f11059eb6fbce62655dfbd6f83b89670d6d9f9bf52d83deedc0bf66205835ccc16', -1663281776],
]

const PARTITIONS_OF_12: readonly (readonly [key: string, partition: number])[] = [
  ['21', 0],
  ['foobar', 6],
  ['a-little-bit-long-string', 8],
  ['key-ü-☃', 0],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', 5],
]

test('murmur2 gives the numbers Java gives', () => {
  for (const [hex, hash] of VECTORS) assert.equal(murmur2(Buffer.from(hex, 'hex')), hash, hex)
})

test('a key goes to the partition Java would choose, as text and as bytes', () => {
  for (const [key, partition] of PARTITIONS_OF_12) {
    assert.equal(partitionForKey(key, 12), partition, key)
    assert.equal(partitionForKey(Buffer.from(key), 12), partition, key)
  }
})

test('a key longer than the scratch buffer hashes alike as text and as bytes', () => {
  const key = 'ü'.repeat(5000)
  assert.equal(partitionForKey(key, 97), partitionForKey(Buffer.from(key), 97))
})
