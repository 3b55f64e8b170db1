import assert from 'node:assert/strict'
import { test } from 'node:test'
import { differences, runBadBatches } from './bad-batches/run.js'
import { brokerUnderTest } from './under-test.js'

test('bad batches get the answers that Apache Kafka gives', { timeout: 180_000 }, async (t) => {
  const bootstrap = await brokerUnderTest(t)
  const different = differences(await runBadBatches(bootstrap))
  assert.deepEqual(
    different.map((row) => `${row.name}\n  Kafka: ${row.expected}\n  here:  ${row.actual}`),
    [],
  )
})
