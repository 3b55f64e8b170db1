import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NodeQuorum } from '../../src/broker/node-quorum.js'
import type { EnsembleServer, LogView, QuorumView } from '../../src/ensemble/ensemble-server.js'
import { errors } from '../../src/model/errors.js'

const NOW = 1_000_000
const clock = { now: () => NOW, monotonic: () => 0 }
const at = { host: '127.0.0.1', port: 9292 }
const LOGS: readonly LogView[] = [
  { id: 1, ...at, voter: true, lastZxid: 0x2_0000_0007n, heardAgoMs: 0, caughtUpAgoMs: 0 },
  { id: 2, ...at, voter: true, lastZxid: 0x2_0000_0005n, heardAgoMs: 30, caughtUpAgoMs: 80.4 },
  { id: 3, ...at, voter: true, lastZxid: -1n, heardAgoMs: null, caughtUpAgoMs: null },
]

function member(leaderId: number, quorum: QuorumView | null = null): EnsembleServer {
  return { leaderId, quorum: () => quorum } as EnsembleServer
}

const node = (server: EnsembleServer | null, call: (peer: number) => Promise<Uint8Array>): NodeQuorum =>
  new NodeQuorum({ clock, server: () => server, call })
const nobody = (peer: number): Promise<Uint8Array> => Promise.reject(new Error(`there is no link to node ${peer}`))

test("what the leader knows comes over the link as it is, times by the leader's clock", async () => {
  const leader = node(member(1, { leaderId: 1, epoch: 2, committed: 0x2_0000_0006n, logs: LOGS }), nobody)
  const asked: number[] = []
  const other = node(member(1), (peer) => {
    asked.push(peer)
    return leader.answer()
  })
  const said = await other.describe()
  assert.deepEqual(said, await leader.describe())
  assert.deepEqual(asked, [1])
  assert.deepEqual(said, {
    leaderId: 1,
    leaderEpoch: 2,
    highWatermark: 0x2_0000_0006n,
    replicas: [
      { id: 1, ...at, voter: true, logEndOffset: 0x2_0000_0007n, lastFetchTimestamp: NOW, lastCaughtUpTimestamp: NOW },
      { id: 2, ...at, voter: true, logEndOffset: 0x2_0000_0005n, lastFetchTimestamp: NOW - 30, lastCaughtUpTimestamp: NOW - 80 },
      { id: 3, ...at, voter: true, logEndOffset: -1n, lastFetchTimestamp: -1, lastCaughtUpTimestamp: -1 },
    ],
  })
})

for (const [why, asked, code, message] of [
  ['there is no leader', node(member(-1), nobody), errors.NOT_LEADER_OR_FOLLOWER.code, /no leader at the moment/],
  ['the leader cannot be reached', node(member(2), nobody), errors.NOT_LEADER_OR_FOLLOWER.code, /member 2 leads .* no link to node 2/],
  [
    'who was asked leads no more',
    node(member(2), () => node(member(3), nobody).answer()),
    errors.NOT_LEADER_OR_FOLLOWER.code,
    /member 2 .* not lead it any more/,
  ],
  ['the metadata is in a ZooKeeper', node(null, nobody), errors.UNSUPPORTED_VERSION.code, /ZooKeeper/],
] as const) {
  test(`${why}: an error that says so`, async () => {
    const answer = (await asked.describe()) as { errorCode: number; message: string }
    assert.equal(answer.errorCode, code)
    assert.match(answer.message, message)
  })
}
