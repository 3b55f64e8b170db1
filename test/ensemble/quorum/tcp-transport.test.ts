// Connections between members whose looks at each other are made by hand, through a gate that can fall silent.

import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { realEnv } from '../../../src/env/real.js'
import { decodeHello, encodeHello, HELLO_BYTES, proof, PROOF_BYTES } from '../../../src/ensemble/quorum/handshake.js'
import { TcpTransport } from '../../../src/ensemble/quorum/tcp-transport.js'

const SECRET = 'a secret'
/** More looks than a peer may be silent. */
const MANY = 10

async function member(t: TestContext, memberId: number) {
  const real = realEnv()
  let look = (): void => undefined
  const every = (_ms: number, task: () => void) => {
    look = task
    return { cancel: () => undefined }
  }
  const env = { ...real, timers: { ...real.timers, every } }
  const transport = await TcpTransport.listen({ env, memberId, listen: { host: '127.0.0.1', port: 0 }, secret: SECRET })
  t.after(() => transport.close())
  const heard = new EventEmitter()
  transport.start({ onMessage: (_, bytes) => heard.emit('message', bytes), onPeer: (_, up) => heard.emit(up ? 'up' : 'down') })
  return { transport, heard, look: () => look() }
}

/** Passes bytes on, and tells how many, until it is shut: then nothing comes through, and nobody is told. */
async function gateTo(t: TestContext, port: number) {
  const sockets: net.Socket[] = []
  const passed = new EventEmitter()
  const server = net.createServer((from) => {
    const to = net.connect(port, '127.0.0.1')
    sockets.push(from, to)
    const ways = [
      [from, to, 'there'],
      [to, from, 'back'],
    ] as const
    for (const [socket, other, way] of ways) {
      socket.on('error', () => undefined)
      socket.pipe(other)
      socket.on('data', () => passed.emit(way))
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const shut = (): void => {
    for (const socket of sockets) socket.unpipe().removeAllListeners('data').resume()
  }
  return { port: (server.address() as AddressInfo).port, passed, shut }
}

test('members that have nothing to say stay connected, and a connection that carries nothing any more is made anew', async (t) => {
  const [one, two] = [await member(t, 1), await member(t, 2)]
  const gate = await gateTo(t, one.transport.port)
  const connected = Promise.all([once(one.heard, 'up'), once(two.heard, 'up')])
  two.transport.setMembers([{ id: 1, host: '127.0.0.1', port: gate.port, voter: true, clientAddress: null }])
  await connected
  const down: number[] = []
  one.heard.on('down', () => down.push(1))
  two.heard.on('down', () => down.push(2))
  for (let i = 0; i < MANY; i++) {
    const came = Promise.all([once(gate.passed, 'there'), once(gate.passed, 'back')])
    one.look()
    two.look()
    await came
  }
  const messages: Buffer[] = []
  one.heard.on('message', (bytes: Buffer) => messages.push(bytes))
  const word = once(one.heard, 'message')
  two.transport.send(1, Buffer.from('word'))
  await word
  assert.deepEqual(messages.map(String), ['word'], 'a sign is no message')
  assert.deepEqual(down, [])
  gate.shut()
  const again = Promise.all([once(one.heard, 'up'), once(two.heard, 'up')])
  for (let i = 0; i < MANY; i++) for (const each of [one, two]) each.look()
  await again
  assert.deepEqual(
    down.toSorted((a, b) => a - b),
    [1, 2],
  )
})

test('a member of the build before shows no signs, and is not expected to', async (t) => {
  const { transport, heard, look } = await member(t, 1)
  const connected = once(heard, 'up')
  const old = net.connect(transport.port, '127.0.0.1')
  t.after(() => old.destroy())
  const hello = encodeHello({ lowest: 1, highest: 1, memberId: 2 }, Buffer.alloc(32, 2))
  old.write(hello)
  let answer = Buffer.alloc(0)
  while (answer.length < HELLO_BYTES + PROOF_BYTES) answer = Buffer.concat([answer, ...((await once(old, 'data')) as Buffer[])])
  const theirs = answer.subarray(0, HELLO_BYTES)
  assert.equal(decodeHello(theirs)?.memberId, 1)
  old.write(proof(SECRET, 'dialer', hello, theirs))
  await connected
  for (let i = 0; i < MANY; i++) look()
  const said = once(old, 'data')
  transport.send(2, Buffer.from('word'))
  const [bytes] = (await said) as [Buffer]
  assert.equal(bytes.subarray(8).toString(), 'word', 'nothing came before it')
})
