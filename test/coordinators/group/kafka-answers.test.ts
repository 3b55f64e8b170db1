import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { handleConsumerGroupDescribe } from '../../../src/broker/handlers/consumer-group-describe.js'
import { handleDeleteGroups } from '../../../src/broker/handlers/delete-groups.js'
import { handleDescribeGroups } from '../../../src/broker/handlers/describe-groups.js'
import { handleHeartbeat } from '../../../src/broker/handlers/heartbeat.js'
import { handleJoinGroup } from '../../../src/broker/handlers/join-group.js'
import { handleLeaveGroup } from '../../../src/broker/handlers/leave-group.js'
import { handleListGroups } from '../../../src/broker/handlers/list-groups.js'
import { handleOffsetCommit } from '../../../src/broker/handlers/offset-commit.js'
import { handleOffsetDelete } from '../../../src/broker/handlers/offset-delete.js'
import { handleOffsetFetch } from '../../../src/broker/handlers/offset-fetch.js'
import { handleSyncGroup } from '../../../src/broker/handlers/sync-group.js'
import type { HandlerContext, RequestContext } from '../../../src/broker/handlers/handler.js'
import { runScript, throughCodec } from '../support/answer-script.js'
import type { Recorded } from '../support/answer-script.js'
import { context, setUp } from '../support/broker-fixture.js'

type AnyHandler = (request: never, context: RequestContext, broker: HandlerContext) => object | Promise<object>

const HANDLERS: Readonly<Record<string, AnyHandler>> = {
  JoinGroup: handleJoinGroup,
  SyncGroup: handleSyncGroup,
  Heartbeat: handleHeartbeat,
  LeaveGroup: handleLeaveGroup,
  OffsetCommit: handleOffsetCommit,
  OffsetFetch: handleOffsetFetch,
  OffsetDelete: handleOffsetDelete,
  ListGroups: handleListGroups,
  DescribeGroups: handleDescribeGroups,
  DeleteGroups: handleDeleteGroups,
  ConsumerGroupDescribe: handleConsumerGroupDescribe,
}

/** Compiled tests run from the output folder; the recording stays with the sources. */
function readRecording(): Recorded[] {
  const file = import.meta.url.replace(/\/dist[^/]*\/test\//, '/test/').replace(/[^/]*$/, 'kafka-group-answers.json')
  return JSON.parse(readFileSync(new URL(file), 'utf8')) as Recorded[]
}

test('127 group requests in a row are answered as Apache Kafka 4.4 answers them', async (t) => {
  const fixture = await setUp()
  const ours = await runScript(
    throughCodec(async (api, version, request) => {
      const answer = HANDLERS[api.name]!(request as never, { ...context(version), clientId: 'script' }, fixture.broker)
      // Virtual time passes a little with each request: first rebalances wait for a timer of 0 ms.
      await fixture.env.advance(1)
      return answer
    }),
  )
  const kafka = readRecording()
  assert.equal(kafka.length, 127)
  assert.deepEqual(
    ours.map((each) => each.name),
    kafka.map((each) => each.name),
  )
  for (const [index, expected] of kafka.entries()) {
    await t.test(expected.name, () => assert.deepEqual(ours[index]!.answer, expected.answer))
  }
})
