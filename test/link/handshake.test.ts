import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FRAME_HEADER, FrameType, makeFrame, openFrame } from '../../src/link/frames.js'
import { DialerHandshake, type HandshakeStep, type LinkIdentity, RefusalCode, ServerHandshake } from '../../src/link/handshake.js'

const base = { clusterId: 'c1', secret: 'the secret' as string | null, minVersion: 1, maxVersion: 3, windowBytes: 1000, maxBodyBytes: 2000 }
const one: LinkIdentity = { ...base, nodeId: 1 }
const two: LinkIdentity = { ...base, nodeId: 2, windowBytes: 3000 }
const nonce = (fill: number) => new Uint8Array(32).fill(fill)

function frameOf(step: HandshakeStep): Uint8Array {
  assert.ok(step.frame, `a step ${step.kind} with a frame`)
  return step.frame
}

/** Plays it to its end; what each side ended with. */
function play(dialer: LinkIdentity, server: LinkIdentity, peer = server.nodeId): { dialer: HandshakeStep; server: HandshakeStep } {
  const d = new DialerHandshake(dialer, peer)
  const s = new ServerHandshake(server, nonce(2))
  const challenge = s.receive(d.start(nonce(1)))
  if (challenge.kind === 'refused') return { dialer: d.receive(frameOf(challenge)), server: challenge }
  const proof = d.receive(frameOf(challenge))
  if (proof.kind === 'refused') return { dialer: proof, server: challenge }
  const welcome = s.receive(frameOf(proof))
  return { dialer: d.receive(frameOf(welcome)), server: welcome }
}

function refused(step: HandshakeStep, code: number, words: RegExp): void {
  assert.equal(step.kind, 'refused')
  assert.ok(step.kind === 'refused' && step.refusal.code === code, `refused for ${JSON.stringify(step)}`)
  assert.match(step.refusal.text, words)
}

test('two nodes of a cluster agree on the newest version both speak, and learn each other’s limits', () => {
  const { dialer, server } = play({ ...one, maxVersion: 2 }, two)
  assert.deepEqual(dialer.kind === 'done' && dialer.agreed, { peer: 2, version: 2, windowBytes: 3000, maxBodyBytes: 2000 })
  assert.deepEqual(server.kind === 'done' && server.agreed, { peer: 1, version: 2, windowBytes: 1000, maxBodyBytes: 2000 })
})

test('a wrong secret is refused before anything that depends on ours was sent', () => {
  const { server, dialer } = play({ ...one, secret: 'guess' }, two)
  refused(server, RefusalCode.authentication, /did not prove/)
  refused(dialer, RefusalCode.authentication, /did not prove/)
})

test('with a secret on one side only, both sides hear what to do', () => {
  for (const [a, b] of [
    [one, { ...two, secret: null }],
    [{ ...one, secret: null }, two],
  ] as const) {
    const { server, dialer } = play(a, b)
    refused(server, RefusalCode.secret, /set the same secret on every node/)
    refused(dialer, RefusalCode.secret, /set the same secret on every node/)
  }
  assert.equal(play({ ...one, secret: null }, { ...two, secret: null }).dialer.kind, 'done')
})

test('another cluster, another node, this very node, and versions without overlap are refused by name', () => {
  refused(play({ ...one, clusterId: 'c2' }, two).server, RefusalCode.cluster, /cluster c2/)
  refused(play(one, two, 3).server, RefusalCode.node, /dialed node 3 and reached node 2/)
  refused(play({ ...one, nodeId: 2 }, two).server, RefusalCode.node, /which is this one/)
  refused(play({ ...one, minVersion: 4, maxVersion: 5 }, two).server, RefusalCode.version, /4 to 5.*1 to 3/)
})

test('a dialer whose own bytes come back takes them for no proof', () => {
  const d = new DialerHandshake(one, 2)
  refused(d.receive(d.start(nonce(1))), RefusalCode.protocol, /type 1/)
  // A second link of the victim as oracle: a server node 2 without the secret lets node 1 answer for it, in node 1's role of a server to node 2.
  const victim = new DialerHandshake(one, 2)
  const oracle = new ServerHandshake(one, nonce(9))
  victim.start(nonce(1))
  const attacker = new DialerHandshake({ ...two, secret: 'guess' }, 1)
  const challenge = oracle.receive(attacker.start(nonce(1)))
  refused(victim.receive(frameOf(challenge)), RefusalCode.node, /node 1 answers at the address of node 2/)
})

test('a proof for one link is worth nothing on another: the nonce is new', () => {
  const d = new DialerHandshake(one, 2)
  const s = new ServerHandshake(two, nonce(2))
  const hello = d.start(nonce(1))
  const proof = frameOf(d.receive(frameOf(s.receive(hello))))
  const replayed = new ServerHandshake(two, nonce(3))
  replayed.receive(hello)
  refused(replayed.receive(proof), RefusalCode.authentication, /did not prove/)
})

test('versions cut down on the way are noticed: both ranges are under the MAC', () => {
  const d = new DialerHandshake(one, 2)
  const s = new ServerHandshake(two, nonce(2))
  const hello = d.start(nonce(1))
  const payload = Uint8Array.from(hello.subarray(FRAME_HEADER))
  payload[5] = 1
  const challenge = frameOf(s.receive(makeFrame(0, FrameType.hello, 0, payload)))
  refused(s.receive(frameOf(d.receive(challenge))), RefusalCode.authentication, /did not prove/)
})

test('no bytes of a stranger end anything but the handshake: every frame of one, cut, changed and out of order', () => {
  const d = new DialerHandshake(one, 2)
  const s = new ServerHandshake(two, nonce(2))
  const hello = d.start(nonce(1))
  const challenge = frameOf(s.receive(hello))
  const proof = frameOf(d.receive(challenge))
  for (const frame of [hello, challenge, proof]) {
    assert.ok(openFrame(frame))
    for (let length = 0; length < frame.length; length++) {
      const whole = makeFrame(0, frame[5] as FrameType, 0, frame.subarray(FRAME_HEADER, Math.max(FRAME_HEADER, length)))
      for (const bytes of [frame.subarray(0, length), whole]) {
        assert.equal(new ServerHandshake(two, nonce(2)).receive(bytes).kind, 'refused')
        const dialer = new DialerHandshake(one, 2)
        dialer.start(nonce(1))
        assert.equal(dialer.receive(bytes).kind, 'refused')
        const late = new ServerHandshake(two, nonce(2))
        late.receive(hello)
        if (frame !== proof || length < frame.length) assert.equal(late.receive(bytes).kind, 'refused')
      }
    }
  }
})
