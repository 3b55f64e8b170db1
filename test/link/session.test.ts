import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BODY_LEAD,
  FRAME_HEADER,
  FrameType,
  ItemType,
  makeFrame,
  openFrame,
  PIECE_HEADER,
  readPiece,
  sealFrame,
  view,
  writePiece,
} from '../../src/link/frames.js'
import { SendQueue } from '../../src/link/send-queue.js'
import { type IncomingItem, LinkSession } from '../../src/link/session.js'
import { defaultLinkSettings, type LinkSettings } from '../../src/link/settings.js'
import { type RingBody, ringMemory, RingReader, RingWriter } from '../../src/threads/shared-ring.js'
import { native } from '../../src/log/native.js'

const settings: LinkSettings = { ...defaultLinkSettings, chunkBytes: 1024, smallBytes: 64, windowBytes: 16_384, maxBodyBytes: 100_000 }

function session(over: Partial<LinkSettings> = {}, version = 1) {
  const all = { ...settings, ...over }
  const sent: Uint8Array[] = []
  const items: IncomingItem[] = []
  const broken: string[] = []
  const transport = {
    buffered: 0,
    taken: true,
    send(frame: Uint8Array) {
      sent.push(Uint8Array.from(frame))
      return this.taken
    },
    cork: (work: () => void) => work(),
    close() {},
  }
  const agreed = { peer: 2, version, windowBytes: all.windowBytes, maxBodyBytes: all.maxBodyBytes }
  const events = {
    items: (some: readonly IncomingItem[]) => void items.push(...some.map((item) => ({ ...item, body: Uint8Array.from(item.body) }))),
    credited() {},
    room: () => undefined,
    broken: (reason: string) => void broken.push(reason),
  }
  const it = new LinkSession(agreed, all, transport, events, new Uint8Array(SendQueue.frameBytes(all.chunkBytes)), 0)
  const answer = (correlation: number, body: Uint8Array): void =>
    it.enqueue({ type: ItemType.answer, status: 0, correlation, index: 0, kind: 0, body })
  const pumpAll = (): void => {
    while (it.pump());
  }
  return { it, sent, items, broken, transport, answer, pumpAll }
}

/** Correlations of the pieces of data frames, in the order sent. */
function pieces(frames: readonly Uint8Array[]): number[] {
  return frames
    .filter((frame) => openFrame(frame)?.type === FrameType.data)
    .flatMap((frame) => {
      const found: number[] = []
      for (let at = FRAME_HEADER; at < frame.length;) {
        const piece = readPiece(view(frame), at)!
        found.push(piece.correlation)
        at += PIECE_HEADER + piece.length
      }
      return found
    })
}

test('a small answer passes large ones under way, and large ones take turns', () => {
  const { sent, answer, it, transport, pumpAll } = session()
  answer(1, new Uint8Array(3000))
  answer(2, new Uint8Array(3000))
  transport.send = (frame) => {
    sent.push(Uint8Array.from(frame))
    if (sent.length === 2) answer(3, new Uint8Array(10))
    return true
  }
  pumpAll()
  assert.deepEqual(pieces(sent), [1, 2, 3, 1, 2, 1, 2])
  assert.equal(it.queue.queuedBytes, 0)
})

test('what is sent stays within the peer’s window until it gives bytes back; large bodies leave room for small ones', () => {
  const { it, sent, answer, pumpAll } = session()
  answer(1, new Uint8Array(90_000))
  pumpAll()
  const bytes = sent.reduce((sum, frame) => sum + frame.length, 0)
  assert.ok(bytes <= settings.windowBytes, `${bytes} bytes in flight`)
  const before = sent.length
  answer(2, new Uint8Array(10))
  pumpAll()
  assert.deepEqual(pieces(sent.slice(before)), [2])
  it.receive(makeFrame(1, FrameType.credit, 8192), 0)
  pumpAll()
  assert.ok(sent.length > before + 1, 'credit lets more go')
})

/** Of values from `seed` on, where a thread of the node leaves it. */
function inRing(writer: RingWriter, reader: RingReader, length: number, seed: number): RingBody {
  return reader.take(writer.place(length, BODY_LEAD, (target, at) => target.set(pattern(length, seed), at))!)
}

function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i + seed) % 251)
}

test('a large body that goes whole leaves from where it lies, which is free once it was sent; others are copied, in their turn', () => {
  const large = { chunkBytes: 128 << 10, smallBytes: 1024, windowBytes: 1 << 20, maxBodyBytes: 1 << 20 }
  const from = session(large)
  const to = session(large)
  const memory = ringMemory(1 << 20)
  const [writer, reader] = [new RingWriter(memory), new RingReader(memory)]
  const sizes = [70_000, 300, 40_000, 40_000, 100_000, 64 << 10, 200_000]
  const bodies = sizes.map((size, i) => inRing(writer, reader, size, i))
  const places: boolean[] = []
  from.transport.send = (frame) => {
    places.push(frame.buffer === memory)
    if (frame.buffer === memory)
      assert.ok(
        bodies.some((body) => body.bytes.byteOffset === frame.byteOffset + BODY_LEAD && !body.isDone),
        'its memory is not free before it left',
      )
    from.sent.push(Uint8Array.from(frame))
    return true
  }
  for (const [index, held] of bodies.entries())
    from.it.enqueue({ type: ItemType.answer, status: 0, correlation: 1, index, kind: 0, body: held.bytes, held })
  from.pumpAll()
  assert.equal(from.it.queue.queuedBytes, 0)
  assert.ok(bodies.every((body) => body.isDone))
  for (const frame of from.sent) to.it.receive(frame, 0)
  assert.deepEqual(to.broken, [])
  // The small one, one in place, two in one frame, two in place, one in two chunks.
  assert.deepEqual(places, [false, true, false, true, true, false, false])
  assert.equal(to.items.length, sizes.length)
  for (const { index, body } of to.items) assert.deepEqual(body, pattern(sizes[index]!, index), `body ${index}`)
})

test('from version 2 on a large body’s bytes with checksums of their own are left to them; in version 1 the frame covers all', () => {
  const large = { chunkBytes: 128 << 10, windowBytes: 1 << 20, maxBodyBytes: 1 << 20 }
  const LENGTH = 70_000
  const OWN = 69_000
  for (const version of [1, 2]) {
    const memory = ringMemory(1 << 20)
    const held = inRing(new RingWriter(memory), new RingReader(memory), LENGTH, 5)
    const from = session(large, version)
    from.it.enqueue({ type: ItemType.answer, status: 0, correlation: 1, index: 0, kind: 0, body: held.bytes, held, selfChecked: OWN })
    from.pumpAll()
    const [frame] = from.sent
    assert.equal(openFrame(frame!)?.type, version === 1 ? FrameType.data : FrameType.bulk)
    for (const at of [0, 4, 5, 8, 9, FRAME_HEADER, BODY_LEAD, BODY_LEAD + LENGTH - OWN - 1, BODY_LEAD + LENGTH - OWN, frame!.length - 1]) {
      const to = session(large, version)
      const bad = Uint8Array.from(frame!)
      bad[at]! ^= 1
      to.it.receive(bad, 0)
      const isFound = version === 1 || at < BODY_LEAD + LENGTH - OWN
      assert.deepEqual([to.broken.length, to.items.length], isFound ? [1, 0] : [0, 1], `version ${version}, byte ${at}`)
    }
    const to = session(large, version)
    to.it.receive(frame!, 0)
    assert.deepEqual([to.broken, to.items[0]?.body], [[], pattern(LENGTH, 5)])
  }
})

test('a bulk frame breaks a link of version 1, and one that says more than it has breaks any', () => {
  const body = new Uint8Array(100)
  const frame = (version: number, value: number): Uint8Array => {
    const bytes = new Uint8Array(FRAME_HEADER + PIECE_HEADER + body.length)
    writePiece(view(bytes), FRAME_HEADER, { type: 1, flags: 3, status: 0, correlation: 1, index: 0, kind: 0, total: 100, length: 100 })
    return sealFrame(bytes, bytes.length, version, FrameType.bulk, value)
  }
  const older = session()
  older.it.receive(frame(1, 100), 0)
  assert.match(older.broken[0]!, /type 10, which this version does not have/)
  const good = session({}, 2)
  good.it.receive(frame(2, 100), 0)
  assert.deepEqual([good.broken, good.items.length], [[], 1])
  for (const value of [101, 124, 125, 137, 0x7fff_ffff, 0xffff_ffff]) {
    const bytes = frame(2, 0)
    const data = view(bytes)
    data.setUint32(8, value, true)
    // Right for what such a frame would leave over.
    if (value <= 124) data.setUint32(0, native().crc32c(bytes, 4, bytes.length - value - 4), true)
    const to = session({}, 2)
    to.it.receive(bytes, 0)
    assert.match(to.broken[0]!, /wrong checksum/, `${value} bytes`)
  }
})

test('a body in place whose connection broke is free, and so are those behind it', () => {
  const { it, transport, broken, pumpAll } = session({ chunkBytes: 128 << 10, windowBytes: 1 << 20 })
  const memory = ringMemory(1 << 20)
  const [writer, reader] = [new RingWriter(memory), new RingReader(memory)]
  const bodies = [1, 2, 3].map((seed) => inRing(writer, reader, 70_000, seed))
  transport.taken = false
  for (const held of bodies) it.enqueue({ type: ItemType.answer, status: 0, correlation: 1, index: 0, kind: 0, body: held.bytes, held })
  pumpAll()
  assert.equal(broken.length, 1)
  assert.ok(bodies.every((body) => body.isDone))
})

test('bytes that wait in a stopped thread are not given back, and are when it goes on', () => {
  const from = session()
  const to = session()
  const feed = (): void => {
    from.pumpAll()
    for (const frame of from.sent.splice(0)) {
      const before = to.items.length
      to.it.receive(frame, 0)
      for (const item of to.items.slice(before)) to.it.hold(item.body.length)
    }
    for (const frame of to.sent.splice(0)) from.it.receive(frame, 0)
  }
  for (let i = 1; i <= 200; i++) from.answer(i, new Uint8Array(1000))
  for (let i = 0; i < 100; i++) feed()
  assert.ok(to.it.heldBytes <= 3 * settings.windowBytes, `a stopped thread holds ${to.it.heldBytes} bytes`)
  assert.ok(from.it.queue.queuedBytes > 0)
  const count = to.items.length
  to.it.release(to.it.heldBytes)
  for (let i = 0; i < 10; i++) feed()
  assert.ok(to.items.length > count)
})

test('a body of many windows comes whole', () => {
  const from = session()
  const to = session()
  const body = Uint8Array.from({ length: 90_000 }, (_, i) => i % 251)
  from.answer(1, body)
  for (let i = 0; i < 200 && to.items.length === 0; i++) {
    from.pumpAll()
    for (const frame of from.sent.splice(0)) to.it.receive(frame, 0)
    for (const frame of to.sent.splice(0)) from.it.receive(frame, 0)
  }
  assert.deepEqual(to.items[0]?.body, body)
})

test('a flipped bit anywhere in a frame breaks the link before the frame means anything', () => {
  const from = session()
  from.answer(
    1,
    Uint8Array.from({ length: 40 }, (_, i) => i),
  )
  from.pumpAll()
  const frame = from.sent[0]!
  for (let bit = 0; bit < frame.length * 8; bit++) {
    const { it, items, broken } = session()
    const bad = Uint8Array.from(frame)
    bad[bit >> 3]! ^= 1 << (bit & 7)
    it.receive(bad, 0)
    assert.deepEqual([items.length, broken.length, it.corruptFrames], [0, 1, 1], `bit ${bit}`)
  }
})

test('a peer that passes its window, announces too much, or gives back what it did not get is cut off', () => {
  const flood = session()
  const from = session({ windowBytes: 1 << 20 })
  for (let i = 0; i < 200; i++) from.answer(i, new Uint8Array(1000))
  from.pumpAll()
  flood.it.hold(settings.windowBytes + 1)
  for (const frame of from.sent) flood.it.receive(frame, 0)
  assert.match(flood.broken[0]!, /was allowed 16384/)
  const large = session({ maxBodyBytes: 500 })
  const sender = session()
  sender.answer(1, new Uint8Array(5000))
  sender.pumpAll()
  large.it.receive(sender.sent[0]!, 0)
  assert.match(large.broken[0]!, /maxBodyBytes/)
  const generous = session()
  generous.it.receive(makeFrame(1, FrameType.credit, 1), 0)
  assert.match(generous.broken[0]!, /gave back/)
})

test('a silent peer is dead after its time, one that answers pings is not', () => {
  const { it, sent, broken } = session()
  it.tick(1000)
  assert.equal(openFrame(sent[0]!)?.type, FrameType.ping)
  it.receive(makeFrame(1, FrameType.pong, 0), 1001)
  it.tick(5500)
  assert.deepEqual(broken, [])
  it.tick(6001)
  assert.match(broken[0]!, /nothing was heard/)
})
