import assert from 'node:assert/strict'
import { test } from 'node:test'
import { handleDescribeCluster } from '../../../src/broker/handlers/describe-cluster.js'
import { handleFindCoordinator } from '../../../src/broker/handlers/find-coordinator.js'
import { handleInitProducerId } from '../../../src/broker/handlers/init-producer-id.js'
import { fixture, type Fixture } from './metadata-fixture.js'

function find(f: Fixture, version: number, keyType: number, keys: string[]) {
  return handleFindCoordinator({ key: keys[0]!, keyType, coordinatorKeys: keys }, f.context(version), f.broker)
}

test('FindCoordinator creates __consumer_offsets and answers with the leader of the group partition', async (t) => {
  const f = await fixture(t)
  const old = await find(f, 3, 0, ['g'])
  assert.deepEqual([old.errorCode, old.nodeId, old.host, old.port], [0, 1, '127.0.0.1', 9092])
  const { coordinators } = await find(f, 4, 0, ['g', 'h'])
  assert.deepEqual(
    coordinators.map((row) => [row.key, row.errorCode, row.nodeId]),
    [
      ['g', 0, 1],
      ['h', 0, 1],
    ],
  )
  assert.deepEqual(Object.fromEntries(f.controller.image.configs.get('topic:__consumer_offsets')!), {
    'cleanup.policy': 'compact',
    'segment.bytes': '104857600',
    'compression.type': 'producer',
  })
})

test('a transaction coordinator is refused for good and in words, so that clients do not retry', async (t) => {
  const { coordinators } = await find(await fixture(t), 4, 1, ['txn'])
  assert.deepEqual([coordinators[0]!.errorCode, coordinators[0]!.nodeId, coordinators[0]!.port], [35, -1, -1])
  assert.match(coordinators[0]!.errorMessage!, /Transactions are not supported/)
})

test('InitProducerId never gives an id twice, over blocks and over concurrent callers', async (t) => {
  const f = await fixture(t)
  const request = {
    transactionalId: null,
    transactionTimeoutMs: 0,
    producerId: -1,
    producerEpoch: -1,
    enable2Pc: false,
    keepPreparedTxn: false,
  }
  const answers = await Promise.all(Array.from({ length: 2500 }, () => handleInitProducerId(request, f.context(5), f.broker)))
  assert.ok(answers.every((answer) => answer.errorCode === 0 && answer.producerEpoch === 0))
  assert.equal(new Set(answers.map((answer) => answer.producerId)).size, 2500)
})

test('InitProducerId checks a transactional id and its timeout before it refuses transactions', async (t) => {
  const f = await fixture(t)
  const code = async (transactionalId: string, transactionTimeoutMs: number) => {
    const request = { transactionalId, transactionTimeoutMs, producerId: -1, producerEpoch: -1, enable2Pc: false, keepPreparedTxn: false }
    return (await handleInitProducerId(request, f.context(5), f.broker)).errorCode
  }
  assert.deepEqual([await code('', 1000), await code('x', 0), await code('x', 900_001), await code('x', 1000)], [42, 50, 50, 35])
})

test('InitProducerId refuses a producer id without its epoch', async (t) => {
  const f = await fixture(t)
  const request = {
    transactionalId: null,
    transactionTimeoutMs: 0,
    producerId: 5,
    producerEpoch: -1,
    enable2Pc: false,
    keepPreparedTxn: false,
  }
  assert.equal((await handleInitProducerId(request, f.context(5), f.broker)).errorCode, 42)
})

test('DescribeCluster lists brokers, and says so when controllers are asked for', async (t) => {
  const f = await fixture(t)
  const ask = (endpointType: number) =>
    handleDescribeCluster({ includeClusterAuthorizedOperations: true, endpointType, includeFencedBrokers: false }, f.context(2), f.broker)
  const answer = ask(1)
  assert.deepEqual(
    [answer.errorCode, answer.controllerId, answer.clusterId, answer.clusterAuthorizedOperations],
    [0, 1, f.controller.image.clusterId, 8096],
  )
  assert.deepEqual(answer.brokers, [{ brokerId: 1, host: '127.0.0.1', port: 9092, rack: null, isFenced: false }])
  assert.deepEqual([ask(2).errorCode, ask(9).errorCode], [114, 115])
})
