import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Env } from '../../src/env/env.js'
import { LinkStatus } from '../../src/link/door.js'
import { PortDoor } from '../../src/link/port-door.js'
import { ToDoor, ToLink, type ToLinkMessage } from '../../src/link/port-messages.js'
import { partsLength, writeParts } from '../../src/link/request-body.js'
import { ringMemory, RingReader, RingWriter } from '../../src/threads/shared-ring.js'

const KIND = 1
const SESSION = 3

class FakePort extends EventEmitter {
  readonly lists: ToLinkMessage[][] = []
  postMessage(list: unknown): void {
    this.lists.push(list as ToLinkMessage[])
  }
  close(): void {}
}

/** A door whose timers fire when the test says so. */
function openDoor(): { port: FakePort; door: PortDoor; fire: () => void } {
  const due: (() => void)[] = []
  const timers = {
    after: (_: number, task: () => void) => {
      due.push(task)
      return { cancel: () => {} }
    },
    every: () => ({ cancel: () => {} }),
  }
  const port = new FakePort()
  const door = new PortDoor({ timers, logger: {} as Env['logger'] })
  door.attach(port)
  return { port, door, fire: () => due.splice(0).forEach((task) => task()) }
}

function request(port: FakePort, id: number, size: number): number {
  const parts = [{ topicId: null, partition: 0, body: new Uint8Array(size) }]
  const body = new Uint8Array(partsLength(parts))
  writeParts(parts, body, 0)
  port.emit('message', [[ToDoor.request, id, SESSION, 2, KIND, [0], body]])
  return body.length
}

test('a request that waits for its answer does not wake the link thread; its bytes are told with the answer', async () => {
  const { port, door } = openDoor()
  let finish: () => void = () => {}
  door.handle(KIND, (_, __, answer) => (finish = () => answer(0, new Uint8Array(0))))
  const first = request(port, 1, 100)
  const second = request(port, 2, 50)
  await turn()
  assert.deepEqual(port.lists, [])
  finish()
  await turn()
  assert.deepEqual(port.lists, [
    [
      [ToLink.answer, 2, 0, LinkStatus.ok, new Uint8Array(0), 0],
      [ToLink.taken, SESSION, first + second],
    ],
  ])
})

test('bytes that were taken are told before long, and at once when they are many', async () => {
  const { port, door, fire } = openDoor()
  door.handle(KIND, () => {})
  const small = request(port, 1, 100)
  await turn()
  assert.deepEqual(port.lists, [])
  fire()
  await turn()
  assert.deepEqual(port.lists.splice(0), [[[ToLink.taken, SESSION, small]]])
  const large = request(port, 2, 200 << 10)
  await turn()
  assert.deepEqual(port.lists.splice(0), [[[ToLink.taken, SESSION, large]]])
  fire()
  await turn()
  assert.deepEqual(port.lists, [], 'told twice')
})

test('with shared memory bodies go through it, and their room comes back when the handler has returned', async () => {
  const { port, door } = openDoor()
  const toLink = ringMemory(4096)
  const toDoor = ringMemory(4096)
  port.emit('message', [[ToDoor.rings, toLink, toDoor]])
  const writer = new RingWriter(toDoor)
  const reader = new RingReader(toLink)
  door.handle(KIND, (_, [one], answer) => answer(0, one!.body))
  for (let i = 0; i < 20; i++) {
    const parts = [{ topicId: null, partition: 0, body: new Uint8Array(1000).fill(i) }]
    const placed = writer.place(partsLength(parts), 0, (target, at) => writeParts(parts, target, at))
    assert.ok(placed, `no room for request ${i}`)
    port.emit('message', [[ToDoor.request, i, SESSION, 2, KIND, [0], placed]])
    await turn()
    const [answer] = port.lists.splice(0).flat()
    assert.ok(answer?.[0] === ToLink.answer && !(answer[4] instanceof Uint8Array))
    const body = reader.take(answer[4])
    assert.ok(body.bytes.length === 1000 && body.bytes.every((byte) => byte === i))
    body.release()
  }
})
