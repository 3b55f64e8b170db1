// What clients see of a cluster of three whole nodes: each request goes to the very node that is named.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { apis } from '../../src/protocol/schema/index.js'
import { ask } from '../cluster/support/ask.js'
import { allInSync, withAdmin } from '../cluster/support/state.js'
import { batch } from '../log/support.js'
import { startThreeNodes, type ThreeNodes } from '../support/three-nodes.js'
import { FETCH, fetchBody, PRODUCE, produceBody } from './wire-client.js'

const LIMIT_MS = 60_000

describe('three nodes', { timeout: 5 * LIMIT_MS }, () => {
  let cluster: ThreeNodes

  before(async () => {
    cluster = await startThreeNodes()
  })
  after(() => cluster.close())

  /** A topic of one partition with these replicas, the first of which leads it. */
  async function create(name: string, replicas: readonly number[], configs: Readonly<Record<string, string>> = {}): Promise<void> {
    await withAdmin(cluster.bootstrap, (admin) => admin.createTopics([{ name, assignments: [replicas], configs }]))
    await allInSync(cluster.addresses, name, LIMIT_MS)
  }

  const at = (id: number): string => cluster.addresses[id - 1]!

  async function produce(id: number, topic: string, count: number): Promise<number> {
    const { responses } = await ask(at(id), apis.produce, PRODUCE, produceBody(topic, [[0, batch(count)]]))
    return responses[0]!.partitionResponses[0]!.errorCode
  }

  test('when DeleteRecords is answered, the log starts there on every replica', async () => {
    await create('shortened', [1, 2, 3])
    assert.equal(await produce(1, 'shortened', 10), 0)
    for (const offset of [4, 7, 10]) {
      const topics = [{ name: 'shortened', partitions: [{ partitionIndex: 0, offset }] }]
      const answer = await ask(at(1), apis.deleteRecords, 2, { topics, timeoutMs: LIMIT_MS })
      assert.deepEqual(answer.topics[0]!.partitions, [{ partitionIndex: 0, lowWatermark: offset, errorCode: 0 }])
      for (const id of [1, 2, 3]) {
        const { responses } = await ask(at(id), apis.fetch, FETCH, fetchBody('shortened', [[0, 10]]))
        assert.deepEqual([id, responses[0]!.partitions[0]!.logStartOffset], [id, offset])
      }
    }
  })
})
