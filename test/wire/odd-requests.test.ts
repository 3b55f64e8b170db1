import assert from 'node:assert/strict'
import { test } from 'node:test'
import { oddDifferences, runOddRequests } from './odd-requests/run.js'
import { brokerUnderTest } from './under-test.js'

test('odd requests get the answers that Apache Kafka gives', { timeout: 600_000 }, async (t) => {
  const bootstrap = await brokerUnderTest(t)
  const different = oddDifferences(await runOddRequests(bootstrap))
  assert.deepEqual(
    different.map((row) => `${row.name}\n  Kafka: ${row.expected}\n  here:  ${row.actual}`),
    [],
  )
})
