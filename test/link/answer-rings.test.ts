import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import {
  FRAME_HEADER,
  FrameType,
  ItemType,
  openFrame,
  PIECE_HEADER,
  type Piece,
  readPiece,
  sealFrame,
  view,
} from '../../src/link/frames.js'
import { PortDoor } from '../../src/link/port-door.js'
import { ToDoor, type ToDoorMessage } from '../../src/link/port-messages.js'
import { LinkRouter } from '../../src/link/router.js'
import { SendQueue } from '../../src/link/send-queue.js'
import { LinkSession, type SessionEvents } from '../../src/link/session.js'
import { defaultLinkSettings as settings } from '../../src/link/settings.js'
import { SimEnv } from '../support/sim-env.js'

const PEER = 7
const KIND = 1
const HEAD = 64
const LONG = 200_000
const VERSION = settings.maxVersion

/** An end of a port whose other end is in the same thread; a stopped thread does not hear. */
class Port extends EventEmitter {
  other!: Port
  readonly heard: ToDoorMessage[] = []
  private waiting: unknown[] | null = null
  postMessage(list: unknown): void {
    this.other.heard.push(...(list as ToDoorMessage[]))
    if (this.other.waiting) this.other.waiting.push(list)
    else this.other.emit('message', list)
  }
  stop(): void {
    this.waiting = []
  }
  go(): void {
    const { waiting } = this
    this.waiting = null
    for (const list of waiting ?? []) this.emit('message', list)
  }
  close(): void {}
}

function openSession(events: Partial<SessionEvents>): { session: LinkSession; sent: Uint8Array[]; frames(): Uint8Array[] } {
  const sent: Uint8Array[] = []
  const transport = {
    buffered: 0,
    send: (frame: Uint8Array) => sent.push(Uint8Array.from(frame)) > 0,
    cork: (work: () => void) => work(),
    close() {},
  }
  const agreed = { peer: PEER, version: VERSION, windowBytes: settings.windowBytes, maxBodyBytes: settings.maxBodyBytes }
  const all: SessionEvents = { items() {}, room: () => undefined, credited() {}, broken: (reason) => assert.fail(reason), ...events }
  const session = new LinkSession(agreed, settings, transport, all, new Uint8Array(SendQueue.frameBytes(settings.chunkBytes)), 0)
  const frames = (): Uint8Array[] => {
    while (session.pump());
    return sent.splice(0)
  }
  return { session, sent, frames }
}

interface Call {
  readonly correlation: number
  readonly bodies: Uint8Array[]
  readonly memory: ArrayBufferLike[]
  readonly over: Promise<string>
}

function node() {
  const env = new SimEnv()
  const router = new LinkRouter(settings, env.logger)
  const doors = new Map<number, { door: PortDoor; port: Port }>()
  const attach = (number: number): PortDoor => {
    const [here, there] = [new Port(), new Port()]
    here.other = there
    there.other = here
    const door = new PortDoor(env)
    doors.set(number, { door, port: there })
    door.attach(there)
    router.attach(number, here)
    return door
  }
  const broken: string[] = []
  let nextLink = 1
  const link = () => {
    const id = nextLink++
    const { session, frames } = openSession({
      items: (items, frame) => router.received(id, items, frame),
      room: (correlation, bytes) => router.room(id, correlation, bytes),
      broken: (reason) => {
        broken.push(reason)
        router.linkDown(id, reason)
      },
    })
    router.linkUp({ id, session, wake() {}, close: (reason) => router.linkDown(id, reason) }, PEER)
    const call = async (number: number, parts = 1): Promise<Call> => {
      await turn()
      const [bodies, memory]: [Uint8Array[], ArrayBufferLike[]] = [[], []]
      const body = new Uint8Array(8)
      const { door } = doors.get(number)!
      const done = door.call(
        PEER,
        KIND,
        Array.from({ length: parts }, () => ({ topicId: null, partition: 0, body })),
        (index, bytes) => {
          bodies[index] = Uint8Array.from(bytes)
          memory[index] = bytes.buffer
        },
        1000,
      )
      const over = done.then(
        () => 'answered',
        (error: { code: string }) => error.code,
      )
      await turn()
      const request = frames()
        .flatMap(pieces)
        .findLast(({ type }) => type === ItemType.request)
      return { correlation: request!.correlation, bodies, memory, over }
    }
    /** Bytes of a frame come as a socket brings them: first its head, then all into what was given for it. */
    const begin = (frame: Uint8Array): Uint8Array | undefined => session.room(frame.subarray(0, HEAD), frame.length)
    const end = (frame: Uint8Array, room: Uint8Array | undefined): void => {
      room?.set(frame)
      session.receive(room ? room.subarray(0, frame.length) : frame, 0)
    }
    const receive = (frame: Uint8Array): Uint8Array | undefined => {
      const room = begin(frame)
      end(frame, room)
      return room
    }
    return { id, session, call, begin, end, receive }
  }
  return { env, router, doors, attach, link, broken }
}

function pieces(frame: Uint8Array): Piece[] {
  const found: Piece[] = []
  if (openFrame(frame)!.type !== FrameType.data) return found
  for (let at = FRAME_HEADER; at < frame.length; at += PIECE_HEADER + found.at(-1)!.length) found.push(readPiece(view(frame), at)!)
  return found
}

/** The frames of a peer that answers a call with such bodies. */
function answers(correlation: number, ...bodies: Uint8Array[]): Uint8Array[] {
  const { session, frames } = openSession({})
  for (const [index, body] of bodies.entries()) session.enqueue({ type: ItemType.answer, status: 0, correlation, index, kind: 0, body })
  return frames()
}

function answer(correlation: number, value: number, length = LONG): Uint8Array {
  const frames = answers(correlation, new Uint8Array(length).fill(value))
  assert.equal(frames.length, 1)
  return frames[0]!
}

/** A frame with the pieces of both, as a sender of ours may make it or not. */
function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  const both = Buffer.concat([one, other.subarray(FRAME_HEADER)])
  return sealFrame(both, both.length, VERSION, FrameType.data, 2)
}

function isAll(body: Uint8Array | undefined, value: number, length = LONG): boolean {
  return body?.length === length && body.every((byte) => byte === value)
}

test('long answers lie where they were read to, also several of one frame, and their room comes back', async () => {
  const { attach, link } = node()
  attach(0)
  const { call, receive, session } = link()
  for (let i = 0; i < 60; i++) {
    const { correlation, bodies, memory, over } = await call(0, 3)
    const [frame, ...others] = answers(
      correlation,
      new Uint8Array(100_000).fill(i),
      new Uint8Array(LONG).fill(i + 1),
      new Uint8Array(LONG).fill(i + 2),
    )
    assert.equal(others.length, 0)
    const room = receive(frame!)
    assert.ok(room, `no room for frame ${i}`)
    assert.equal(await over, 'answered')
    assert.ok(isAll(bodies[0], i, 100_000) && isAll(bodies[1], i + 1) && isAll(bodies[2], i + 2), `answers ${i}`)
    assert.ok(
      memory.every((buffer) => buffer === room.buffer),
      `answers ${i} were copied`,
    )
  }
  // With a call come the bytes that were taken.
  await call(0)
  assert.equal(session.heldBytes, 0)
})

test('an answer with checksums of its own lies where it was read to as well', async () => {
  const { attach, link } = node()
  attach(0)
  const { call, receive } = link()
  const { correlation, bodies, memory, over } = await call(0)
  const frame = answer(correlation, 4)
  const room = receive(sealFrame(frame, frame.length, VERSION, FrameType.bulk, LONG))
  assert.equal(await over, 'answered')
  assert.ok(isAll(bodies[0], 4))
  assert.ok(room !== undefined && memory[0] === room.buffer, 'it was copied')
})

test('what a head says is not believed: an answer goes to whose it is, a frame that was changed on the way to nobody', async () => {
  const { attach, link, doors, broken } = node()
  attach(0)
  attach(1)
  const first = link()
  for (const number of [0, 1]) assert.ok(first.receive(answer((await first.call(number)).correlation, number)))
  await turn()
  const mine = await first.call(0)
  const other = await first.call(1)
  const frame = answer(mine.correlation, 5)
  const room = first.begin(answer(other.correlation, 0))
  first.end(frame, room)
  assert.equal(await mine.over, 'answered')
  assert.ok(isAll(mine.bodies[0], 5))
  assert.notEqual(mine.memory[0], room!.buffer, "it stayed in another thread's memory")
  assert.deepEqual(other.bodies, [])
  const next = answer(other.correlation, 6)
  next[LONG / 2]! ^= 1
  first.receive(next)
  assert.match(broken[0]!, /wrong checksum/)
  assert.equal(await other.over, 'ERR_MILLRACE_LINK_DOWN')
  await turn()
  const { heard } = doors.get(0)!.port
  const last = heard.filter((message) => message[0] === ToDoor.ring).at(-1)
  assert.ok(last?.[1] === first.id && last[2] === null, 'a thread keeps the memory of a link that is gone')
  assert.deepEqual(other.bodies, [])
  const second = link()
  const again = await second.call(1)
  assert.ok(second.receive(answer(again.correlation, 7)))
  assert.equal(await again.over, 'answered')
  assert.ok(isAll(again.bodies[0], 7))
})

test('heads that are not of whole answers to open calls find no room', async () => {
  const { attach, link, broken } = node()
  attach(0)
  const { call, begin, session } = link()
  const { correlation } = await call(0)
  const good = answer(correlation, 1)
  const changed = (at: number, value: number): Uint8Array => {
    const bytes = Uint8Array.from(good)
    view(bytes).setUint8(at, value)
    return bytes
  }
  for (const [what, at, value] of [
    ['another version', 4, VERSION + 1],
    ['another type of frame', 5, FrameType.ping],
    ['a request', FRAME_HEADER, ItemType.request],
    ['another call', FRAME_HEADER + 4, correlation + 1],
    ['a part of a longer one', FRAME_HEADER + 18, 0xff],
    ['longer than its frame', FRAME_HEADER + 22, 0xff],
  ] as const)
    assert.equal(begin(changed(at, value)), undefined, what)
  assert.equal(session.room(good.subarray(0, FRAME_HEADER + PIECE_HEADER - 1), good.length), undefined, 'no whole head')
  assert.ok(begin(good))
  assert.deepEqual(broken, [])
})

test('an answer that nobody waits for any more leaves its room to the next', async () => {
  const { attach, link, env } = node()
  attach(0)
  const { call, begin, end, receive } = link()
  const late = await call(0)
  const frame = answer(late.correlation, 1)
  const room = begin(frame)!
  await env.advance(1000)
  assert.equal(await late.over, 'ERR_MILLRACE_LINK_TIMEOUT')
  await turn()
  end(frame, room)
  // In the link's own memory.
  const short = await call(0)
  end(answer(short.correlation, 3, 100), undefined)
  assert.equal(await short.over, 'answered')
  assert.ok(isAll(short.bodies[0], 3, 100))
  const next = await call(0)
  const again = receive(answer(next.correlation, 2))!
  assert.deepEqual([again.buffer, again.byteOffset], [room.buffer, room.byteOffset])
  assert.equal(await next.over, 'answered')
  assert.ok(isAll(next.bodies[0], 2))
  assert.deepEqual(late.bodies, [])
})

test('a thread that is replaced while its memory is read into neither sees those bytes nor loses later ones', async () => {
  const { attach, link, router } = node()
  attach(0)
  const { call, begin, end, receive, session } = link()
  const lost = await call(0)
  const frame = answer(lost.correlation, 1)
  const room = begin(frame)!
  router.detach(0)
  attach(0)
  const next = await call(0)
  end(frame, room)
  const again = receive(answer(next.correlation, 2))!
  assert.notEqual(again.buffer, room.buffer)
  assert.equal(await next.over, 'answered')
  assert.ok(isAll(next.bodies[0], 2))
  assert.deepEqual(lost.bodies, [])
  await call(0)
  assert.equal(session.heldBytes, 0)
})

test('a thread gone between a frame and its list gets nothing, and gives nothing back twice', async () => {
  const { attach, link, router } = node()
  attach(0)
  const { call, receive, session } = link()
  const { correlation, bodies } = await call(0)
  assert.ok(receive(answer(correlation, 1)))
  assert.ok(session.heldBytes > LONG)
  router.detach(0)
  assert.equal(session.heldBytes, 0)
  await turn()
  assert.deepEqual(bodies, [])
})

test('a stopped thread bounds what lies in its ring; what finds no room is copied, and everything comes whole and in order', async () => {
  const { attach, link, doors } = node()
  attach(0)
  attach(1)
  const { call, receive } = link()
  const { port } = doors.get(0)!
  const calls: Call[] = []
  for (let i = 0; i < 30; i++) calls.push(await call(0))
  port.stop()
  const rooms = calls.map(({ correlation }, i) => receive(answer(correlation, i)))
  const found = rooms.filter((room) => room !== undefined).length
  assert.ok(found >= 15 && found <= 20, `${found} of 30 answers of ${LONG} bytes found room in 4 MiB`)
  const other = await call(1)
  assert.ok(receive(answer(other.correlation, 99)), 'another thread has a ring of its own')
  assert.equal(await other.over, 'answered')
  port.go()
  await turn()
  port.go()
  for (const [i, { over, bodies }] of calls.entries()) {
    assert.equal(await over, 'answered')
    assert.ok(isAll(bodies[0], i), `answer ${i}`)
  }
  const { correlation, over } = await call(0)
  assert.ok(receive(answer(correlation, 1)), 'no room when all were taken')
  assert.equal(await over, 'answered')
})

test('the end of a long body before a whole answer: both come', async () => {
  const { attach, link } = node()
  attach(0)
  const { call, receive } = link()
  const { correlation, bodies, over } = await call(0, 2)
  const [first, end] = answers(correlation, new Uint8Array(1.5 * (1 << 20)).fill(1))
  const [, whole] = answers(correlation, new Uint8Array(0), new Uint8Array(LONG).fill(2))
  assert.equal(receive(first!), undefined)
  assert.equal(receive(joined(end!, whole!)), undefined)
  assert.equal(await over, 'answered')
  assert.ok(isAll(bodies[0], 1, 1.5 * (1 << 20)) && isAll(bodies[1], 2))
})

test('a whole answer before a piece of another: both come', async () => {
  const { attach, link } = node()
  attach(0)
  const { call, receive } = link()
  const { correlation, bodies, memory, over } = await call(0, 2)
  const [whole] = answers(correlation, new Uint8Array(LONG).fill(1))
  const [, first, end] = answers(correlation, new Uint8Array(0), new Uint8Array(2 << 20).fill(2))
  const room = receive(joined(whole!, first!))
  assert.ok(room)
  receive(end!)
  assert.equal(await over, 'answered')
  assert.ok(isAll(bodies[0], 1) && isAll(bodies[1], 2, 2 << 20))
  assert.equal(memory[0], room.buffer)
})
