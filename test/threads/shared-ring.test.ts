import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Placed, type RingBody, ringMemory, RingReader, RingWriter } from '../../src/threads/shared-ring.js'
import { SimEnv } from '../support/sim-env.js'

const SIZE = 4096

function ring(): { writer: RingWriter; reader: RingReader } {
  const memory = ringMemory(SIZE)
  return { writer: new RingWriter(memory), reader: new RingReader(memory) }
}

function place(writer: RingWriter, length: number, value: number, phase = 0): Placed | undefined {
  return writer.place(length, phase, (target, at) => target.fill(value, at, at + length))
}

test('bodies stay whole until they are released, in any order, over many turns of the ring', () => {
  const seed = 11
  const { random } = new SimEnv(seed)
  const { writer, reader } = ring()
  const open: { body: RingBody; value: number }[] = []
  let full = 0
  for (let i = 0; i < 20_000; i++) {
    const value = i & 0xff
    const placed = place(writer, 1 + Math.floor(random.next() * 700), value, Math.floor(random.next() * 8))
    if (placed) open.push({ body: reader.take(placed), value })
    else full++
    if (placed && random.next() < 0.5) continue
    const [one] = open.splice(Math.floor(random.next() * open.length), 1)
    assert.ok(one, `nothing is open and there is no room, seed ${seed}`)
    assert.ok(
      one.body.bytes.every((byte) => byte === one.value),
      `body ${i} was written over, seed ${seed}`,
    )
    one.body.release()
  }
  assert.ok(full > 100, `the ring was full ${full} times, seed ${seed}`)
})

test('positions go on past 2^32', () => {
  const { writer, reader } = ring()
  const nothing = (): void => {}
  for (let placed = 0; placed < 2 ** 32 - SIZE; placed += SIZE / 2) reader.take(writer.place(SIZE / 2, 0, nothing)!).release()
  for (let i = 0; i < 10; i++) {
    const next = place(writer, 1024, i)
    assert.ok(next, `no room for body ${i}`)
    const body = reader.take(next)
    assert.ok(body.bytes.every((byte) => byte === i))
    body.release()
  }
})

test('an empty ring begins at its beginning, one that is not goes on', () => {
  const { writer } = ring()
  const [first] = place(writer, 512, 1)!
  assert.notEqual(place(writer, 512, 2)![0], first)
  const again = ring()
  for (let i = 0; i < 20; i++) {
    const one = place(again.writer, 512, i)!
    const body = again.reader.take(one)
    assert.equal(one[0], first, `body ${i} of a ring that was empty`)
    const two = again.reader.take(place(again.writer, 512, i + 100)!)
    assert.ok(body.bytes.every((byte) => byte === i) && two.bytes.every((byte) => byte === i + 100))
    body.release()
    two.release()
  }
})

test('without room nothing is written, and room comes back with the oldest', () => {
  const { writer, reader } = ring()
  const bodies = Array.from({ length: 4 }, (_, i) => reader.take(place(writer, SIZE / 4, i)!))
  assert.equal(
    writer.place(1, 0, () => assert.fail('there is no room')),
    undefined,
  )
  bodies[1]!.release()
  assert.equal(place(writer, 1, 9), undefined, 'the oldest is still held')
  bodies[0]!.release()
  assert.ok(place(writer, SIZE / 2, 9))
  assert.equal(place(writer, 1, 9), undefined)
})

test('a body of more than half the ring finds no place; one whose writer throws takes none', () => {
  const { writer } = ring()
  assert.equal(place(writer, SIZE / 2 + 8, 1), undefined)
  for (let i = 0; i < 10; i++)
    assert.throws(
      () =>
        writer.place(SIZE / 2, 0, () => {
          throw new Error('the file is gone')
        }),
      /the file is gone/,
    )
  assert.ok(place(writer, SIZE / 2, 1))
  assert.ok(place(writer, SIZE / 2, 1))
})

test('a ring of a size that positions cannot wrap at is refused', () => {
  assert.throws(() => ringMemory(5000), /power of two/)
})
