import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Logger } from '../../src/env/env.js'
import { allInSync, makeTopic } from '../cluster/support/state.js'
import { startThreeNodes } from '../support/three-nodes.js'

/** Keeps what is a warning or worse. */
function keeping(said: string[]): Logger {
  const keep = (fields: object, text: string): void => void said.push(`${text} ${JSON.stringify(fields)}`)
  const logger: Logger = { debug() {}, info() {}, warn: keep, error: keep, child: () => logger }
  return logger
}

test('nodes that stop cleanly at once warn of nothing: that nobody is left is what was wanted', { timeout: 120_000 }, async (t) => {
  const said: string[] = []
  const cluster = await startThreeNodes([], keeping(said))
  t.after(() => cluster.close())
  await makeTopic(cluster.bootstrap, { name: 'events', partitions: 100, replicationFactor: 3 }, 60_000)
  await allInSync(cluster.addresses, 'events', 60_000)
  said.length = 0
  await cluster.close()
  assert.deepEqual(said, [])
})
