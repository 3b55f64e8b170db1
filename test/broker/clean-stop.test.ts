import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Logger } from '../../src/env/env.js'
import { allInSync, withAdmin } from '../cluster/support/state.js'
import { startThreeNodes } from '../support/three-nodes.js'

/** Keeps what is a warning or worse. */
function keeping(said: string[]): Logger {
  const keep = (fields: object, text: string): void => void said.push(`${text} ${JSON.stringify(fields)}`)
  const logger: Logger = { debug() {}, info() {}, warn: keep, error: keep, child: () => logger }
  return logger
}

test('nodes that stop cleanly at once do not complain of their workers, which have ended by then', { timeout: 120_000 }, async (t) => {
  const said: string[] = []
  const cluster = await startThreeNodes([], keeping(said))
  t.after(() => cluster.close())
  await withAdmin(cluster.bootstrap, (admin) => admin.createTopics([{ name: 'events', partitions: 100, replicationFactor: 3 }]))
  await allInSync(cluster.addresses, 'events', 60_000)
  said.length = 0
  await cluster.close()
  assert.deepEqual(
    said.filter((text) => text.includes('worker')),
    [],
  )
})
