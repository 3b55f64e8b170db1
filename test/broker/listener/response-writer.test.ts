import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { BufferPool } from '../../../src/env/buffer-pool.js'
import { type AnswerTransfer, type DirectWay, type FilePiece, ResponseWriter } from '../../../src/broker/listener/response-writer.js'

/** A socket whose kernel takes bytes only while `open`; as net.Socket does, a write that is taken at once leaves nothing behind. */
class FakeSocket {
  destroyed = false
  writableLength = 0
  open = true
  readonly taken: Buffer[] = []
  private pending: { readonly bytes: Buffer; readonly done: () => void }[] = []

  write(bytes: Uint8Array, done: () => void): void {
    if (this.open && this.pending.length === 0) {
      this.taken.push(Buffer.from(bytes))
      process.nextTick(done)
      return
    }
    this.writableLength += bytes.length
    // Kept by reference, as libuv does: a chunk given back too early shows as wrong bytes.
    this.pending.push({ bytes: bytes as Buffer, done })
  }

  /** The kernel takes the oldest write that waits. */
  take(): void {
    const { bytes, done } = this.pending.shift()!
    this.taken.push(Buffer.from(bytes))
    this.writableLength -= bytes.length
    done()
  }

  get waiting(): number {
    return this.pending.length
  }

  get text(): string {
    return Buffer.concat(this.taken).toString('latin1')
  }
}

class File implements FilePiece {
  readonly size: number
  reads = 0
  releases = 0
  failAt = Infinity
  protected readonly letter: string
  constructor(letter: string, size: number) {
    this.letter = letter
    this.size = size
  }
  read(position: number, length: number, target: Buffer): void {
    if (position + length > this.failAt) throw new Error('EIO')
    this.reads++
    target.fill(this.letter, 0, length)
  }
  release(): void {
    this.releases++
  }
}

/** A socket that is written past libuv, `room` bytes at most. Its bytes and those that go through libuv end up in one stream. */
class FakeWay implements DirectWay {
  transfers: FakeTransfer | undefined
  room = Infinity
  fd = 7
  corked = false
  sends = 0
  readonly corks: string[] = []
  private readonly socket: FakeSocket
  constructor(socket: FakeSocket) {
    this.socket = socket
  }
  descriptor(): number {
    return this.fd
  }
  send(descriptor: number, bytes: Uint8Array, length: number): number {
    assert.equal(descriptor, this.fd)
    assert.equal(this.socket.waiting, 0, 'libuv has older bytes')
    const taken = Math.min(length, this.room)
    this.room -= taken
    this.sends++
    if (taken > 0) this.socket.taken.push(Buffer.from(bytes.subarray(0, taken)))
    return taken
  }
  cork(descriptor: number, on: boolean): void {
    assert.notEqual(on, this.corked)
    this.corked = on
    this.corks.push(`${on ? 'on' : 'off'} ${descriptor}`)
  }
  transfer(): AnswerTransfer | undefined {
    return this.transfers
  }
}

/** A transfer that the test moves on. */
class FakeTransfer implements AnswerTransfer {
  moved = 0
  closed = false
  added = ''
  private ended: ((bytes: number) => void) | undefined
  private readonly socket: FakeSocket
  constructor(socket: FakeSocket) {
    this.socket = socket
  }
  addBytes(bytes: Uint8Array): void {
    assert.equal(this.isUnderWay, false)
    this.added += Buffer.from(bytes).toString('latin1')
  }
  addSegment(letter: number, _position: number, length: number): boolean {
    this.added += String.fromCharCode(letter).repeat(length)
    return true
  }
  begin(ended: (bytes: number) => void): void {
    this.ended = ended
  }
  close(): void {
    this.closed = true
  }
  get isUnderWay(): boolean {
    return this.ended !== undefined
  }
  end(bytes = this.added.length): void {
    this.socket.taken.push(Buffer.from(this.added.slice(0, bytes), 'latin1'))
    this.moved += bytes
    this.added = ''
    const { ended } = this
    this.ended = undefined
    ended!(bytes)
  }
}

/** A file that sendfile can move. */
class SendableFile extends File {
  protected readonly way: FakeWay
  constructor(letter: string, size: number, way: FakeWay) {
    super(letter, size)
    this.way = way
  }
  send(position: number, length: number, descriptor: number): number {
    if (position + length > this.failAt) throw new Error('EIO')
    const bytes = Buffer.alloc(length)
    this.read(position, length, bytes)
    return this.way.send(descriptor, bytes, length)
  }
}

/** A file that a transfer takes. */
class MovableFile extends SendableFile {
  takes = true
  handOver(position: number, length: number, transfer: AnswerTransfer): boolean {
    return this.takes && transfer.addSegment(this.letter.charCodeAt(0), position, length)
  }
}

interface Setup {
  readonly socket: FakeSocket
  readonly writer: ResponseWriter
  readonly broken: string[]
  drained: number
}

function setup(socket = new FakeSocket(), way?: DirectWay): Setup {
  const broken: string[] = []
  const state = { socket, broken, drained: 0 } as { -readonly [Key in keyof Setup]: Setup[Key] }
  state.writer = new ResponseWriter(
    socket as unknown as Socket,
    new BufferPool(),
    () => state.drained++,
    (error) => {
      broken.push(error.message)
      state.writer.end()
      socket.destroyed = true
    },
    way,
  )
  return state
}

function directSetup(): Setup & { readonly way: FakeWay } {
  const socket = new FakeSocket()
  const way = new FakeWay(socket)
  return Object.assign(setup(socket, way), { way })
}

function transferSetup(): Setup & { readonly way: FakeWay; readonly transfer: FakeTransfer } {
  const setUp = directSetup()
  const transfer = new FakeTransfer(setUp.socket)
  setUp.way.transfers = transfer
  return Object.assign(setUp, { transfer })
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const MIB = 1 << 20

test('answers leave in the order of the requests whatever order they are ready in', () => {
  const { socket, writer } = setup()
  const slots = [writer.reserve(), writer.reserve(), writer.reserve(), writer.reserve()]
  writer.complete(slots[3]!, [Buffer.from('d')])
  writer.complete(slots[1]!, null)
  writer.pump()
  assert.equal(socket.text, '')
  assert.equal(writer.outstanding, 4)
  writer.complete(slots[0]!, [Buffer.from('a'), Buffer.from('a')])
  writer.pump()
  assert.equal(socket.text, 'aa')
  writer.complete(slots[2]!, [Buffer.from('c')])
  writer.pump()
  assert.equal(socket.text, 'aacd')
  assert.equal(writer.outstanding, 0)
  assert.equal(writer.bufferedBytes, 0)
})

test('answers that wait behind an unanswered request count as buffered', () => {
  const { writer } = setup()
  const first = writer.reserve()
  for (let i = 0; i < 10; i++) writer.complete(writer.reserve(), [Buffer.alloc(1000), new File('x', 5000)])
  assert.equal(writer.bufferedBytes, 10_000)
  writer.complete(first, null)
  writer.pump()
  assert.equal(writer.bufferedBytes, 0)
})

test('answers that are ready together share a write', () => {
  const { socket, writer } = setup()
  for (let i = 0; i < 100; i++) writer.complete(writer.reserve(), [Buffer.from('ab'), Buffer.from('c')])
  writer.pump()
  assert.equal(socket.taken.length, 1)
  assert.equal(socket.text, 'abc'.repeat(100))
})

test('file ranges stand between the memory pieces and are released once they are sent', async () => {
  const { socket, writer } = setup()
  const [one, two] = [new File('1', 700_000), new File('2', 10)]
  writer.complete(writer.reserve(), [Buffer.from('<'), one, Buffer.from('|'), two, Buffer.from('>')])
  writer.pump()
  await turn()
  assert.equal(socket.text, `<${'1'.repeat(700_000)}|${'2'.repeat(10)}>`)
  assert.deepEqual([one.releases, two.releases], [1, 1])
})

test('a reader that takes nothing holds one chunk of a file, whatever the size of its answers', () => {
  const { socket, writer } = setup()
  socket.open = false
  const files = Array.from({ length: 50 }, () => new File('x', 50 * MIB))
  for (const file of files) writer.complete(writer.reserve(), [Buffer.from('head'), file])
  for (let i = 0; i < 10; i++) writer.pump()
  socket.take()
  assert.equal(files[0]!.reads, 1)
  assert.ok(writer.bufferedBytes <= 256 * 1024 + 50 * 4, `${writer.bufferedBytes} bytes are held`)
  assert.equal(socket.waiting, 1)
  for (let i = 0; i < 20; i++) socket.take()
  assert.equal(files[0]!.reads, 21)
  assert.equal(files[1]!.reads, 0)
})

test('a reader that wakes up gets the bytes in order, each chunk intact', async () => {
  const { socket, writer } = setup()
  socket.open = false
  const text = Array.from({ length: 6 }, (_, i) => String(i).repeat(300_000)).join('')
  for (let i = 0; i < 6; i++) writer.complete(writer.reserve(), [new File(String(i), 300_000)])
  writer.pump()
  while (socket.waiting > 0) socket.take()
  await turn()
  assert.ok(socket.text === text)
})

test('a connection that writes much lets others have their turn after 4 MiB', async () => {
  const { socket, writer } = setup()
  writer.complete(writer.reserve(), [new File('x', 20 * MIB)])
  writer.pump()
  const first = Buffer.concat(socket.taken).length
  assert.equal(first, 4 * MIB)
  await new Promise<void>((resolve) => process.nextTick(resolve))
  await Promise.resolve()
  assert.equal(Buffer.concat(socket.taken).length, first, 'the callbacks of writes already taken do not go on by themselves')
  for (let i = 0; i < 10; i++) await turn()
  assert.equal(Buffer.concat(socket.taken).length, 20 * MIB)
})

test('records that cannot be read in the middle of an answer end the connection, and every range is released once', () => {
  const { writer, broken } = setup()
  const [bad, after, later] = [new File('x', MIB), new File('y', 10), new File('z', 10)]
  bad.failAt = MIB / 2
  writer.complete(writer.reserve(), [Buffer.from('head'), bad, after])
  const open = writer.reserve()
  writer.complete(writer.reserve(), [later])
  writer.pump()
  assert.deepEqual(broken, ['EIO'])
  assert.deepEqual([bad.releases, after.releases, later.releases], [1, 1, 1])
  const late = new File('l', 1)
  writer.complete(open, [late])
  assert.equal(late.releases, 1, 'an answer that comes after the end is released too')
})

test('the owner hears when a full socket has drained', () => {
  const setUp = setup()
  setUp.socket.open = false
  setUp.writer.complete(setUp.writer.reserve(), [Buffer.alloc(100)])
  setUp.writer.pump()
  assert.equal(setUp.drained, 0)
  assert.equal(setUp.writer.bufferedBytes, 100)
  setUp.socket.take()
  assert.equal(setUp.drained, 1)
  assert.equal(setUp.writer.bufferedBytes, 0)
})

test('answers without records go through libuv, joined', () => {
  const { socket, writer, way } = directSetup()
  for (let i = 0; i < 100; i++) writer.complete(writer.reserve(), [Buffer.from('ab'), Buffer.from('c')])
  writer.pump()
  assert.equal(socket.taken.length, 1)
  assert.equal(socket.text, 'abc'.repeat(100))
  assert.equal(way.sends, 0)
  assert.deepEqual(way.corks, [], 'nothing to hold together')
})

test('what a full socket does not take goes through libuv, and the rest waits for that', () => {
  const { socket, writer, way } = directSetup()
  socket.open = false
  way.room = 5
  writer.complete(writer.reserve(), [Buffer.from('abc'), Buffer.from('def'), Buffer.from('ghi'), new SendableFile('x', 10, way)])
  writer.pump()
  assert.equal(socket.text, 'abcde')
  assert.equal(writer.bufferedBytes, 4)
  way.room = Infinity
  writer.complete(writer.reserve(), [Buffer.from('jkl')])
  writer.pump()
  assert.equal(socket.text, 'abcde', 'not past what libuv has')
  socket.take()
  assert.equal(socket.text, `abcdefghi${'x'.repeat(10)}jkl`)
  assert.equal(writer.bufferedBytes, 0)
})

test('fields and file ranges leave under one cork, whatever ends the turn', async () => {
  const { socket, writer, way } = directSetup()
  const files = [new SendableFile('1', 700_000, way), new SendableFile('2', 5 * MIB, way)]
  writer.complete(writer.reserve(), [Buffer.from('<'), files[0]!, Buffer.from('|'), files[1]!, Buffer.from('>')])
  writer.pump()
  assert.deepEqual(way.corks, ['on 7', 'off 7'], 'the turn is over after 4 MiB')
  socket.open = false
  way.room = MIB / 2
  await turn()
  assert.equal(socket.waiting, 1, 'the socket is full, libuv tells when it has drained')
  assert.equal(way.corked, false)
  way.room = Infinity
  socket.take()
  assert.equal(way.corked, false)
  assert.ok(socket.text === `<${'1'.repeat(700_000)}|${'2'.repeat(5 * MIB)}>`)
  assert.deepEqual(
    files.map(({ releases }) => releases),
    [1, 1],
  )
})

test('the descriptor of a connection that ended in the middle is left alone: it may be another one by now', () => {
  const { writer, way, broken } = directSetup()
  const bad = new SendableFile('x', MIB, way)
  bad.failAt = 0
  const end = writer.end.bind(writer)
  writer.end = () => {
    end()
    way.fd = -1
  }
  writer.complete(writer.reserve(), [Buffer.from('head'), bad, Buffer.from('tail')])
  writer.pump()
  assert.deepEqual(broken, ['EIO'])
  assert.deepEqual(way.corks, ['on 7'])
  assert.equal(bad.releases, 1)
})

test('an answer that a socket does not hold leaves by the transfer, and what comes later waits for its end', () => {
  const setUp = transferSetup()
  const { socket, writer, way, transfer } = setUp
  const [large, small] = [new MovableFile('1', MIB, way), new MovableFile('2', 100, way)]
  writer.complete(writer.reserve(), [Buffer.from('<'), large, Buffer.from('|'), small, Buffer.from('>')])
  writer.pump()
  assert.ok(transfer.isUnderWay)
  assert.equal(socket.text, '')
  assert.equal(writer.bufferedBytes, 3)
  assert.equal(writer.isIdle, false)
  writer.complete(writer.reserve(), [Buffer.from('later')])
  writer.pump()
  assert.equal(socket.text, '', 'not past the transfer')
  assert.deepEqual([large.releases, small.releases], [0, 0], 'kept open until they are sent')
  transfer.end()
  assert.ok(socket.text === `<${'1'.repeat(MIB)}|${'2'.repeat(100)}>later`)
  assert.deepEqual([large.releases, small.releases], [1, 1])
  assert.deepEqual([large.reads, way.sends], [0, 0])
  assert.equal(writer.bufferedBytes, 0)
  assert.equal(writer.isIdle, true)
  assert.equal(setUp.drained, 1)
})

test('the callback of a write that was taken before a transfer began does not let others past it', async () => {
  const { socket, writer, way, transfer } = transferSetup()
  writer.complete(writer.reserve(), [Buffer.from('before')])
  writer.pump()
  writer.complete(writer.reserve(), [new MovableFile('1', MIB, way)])
  writer.pump()
  assert.ok(transfer.isUnderWay)
  writer.complete(writer.reserve(), [Buffer.from('after')])
  await turn()
  writer.pump()
  assert.equal(socket.text, 'before')
  assert.equal(writer.isIdle, false)
  transfer.end()
  assert.ok(socket.text === `before${'1'.repeat(MIB)}after`)
})

test('answers that a socket holds do not change threads', () => {
  const { socket, writer, way, transfer } = transferSetup()
  writer.complete(writer.reserve(), [Buffer.from('<'), new MovableFile('1', 100_000, way), Buffer.from('>')])
  writer.pump()
  assert.equal(transfer.isUnderWay, false)
  assert.equal(socket.text, `<${'1'.repeat(100_000)}>`)
})

test('a transfer that could not go on leaves the rest to be read and written, from the very byte', () => {
  const text = `head${'1'.repeat(MIB)}mid${'2'.repeat(MIB)}`
  for (const moved of [0, 2, 4, 5, 4 + MIB, 4 + MIB + 1, 4 + MIB + 3, 4 + MIB + 4]) {
    const { socket, writer, way, transfer } = transferSetup()
    const files = [new MovableFile('1', MIB, way), new MovableFile('2', MIB, way)]
    writer.complete(writer.reserve(), [Buffer.from('head'), files[0]!, Buffer.from('mid'), files[1]!])
    writer.pump()
    transfer.end(moved)
    assert.ok(files[0]!.reads + files[1]!.reads > 0, `${moved}: a file is read, which finds what is wrong with it`)
    while (transfer.isUnderWay) transfer.end()
    assert.ok(socket.text === text, `${moved} bytes were moved`)
    assert.deepEqual(
      files.map(({ releases }) => releases),
      [1, 1],
    )
    assert.equal(writer.bufferedBytes, 0)
  }
})

test('a file that cannot be read after a transfer stopped at it ends the connection', () => {
  const { writer, way, transfer, broken } = transferSetup()
  const bad = new MovableFile('x', MIB, way)
  writer.complete(writer.reserve(), [Buffer.from('head'), bad])
  writer.pump()
  bad.failAt = MIB / 2
  transfer.end(4 + MIB / 2)
  assert.deepEqual(broken, ['EIO'])
  assert.equal(bad.releases, 1)
  assert.equal(transfer.closed, true)
})

test('a transfer takes what comes before a file that is not for it, which is sent otherwise', () => {
  const { socket, writer, way, transfer } = transferSetup()
  const other = new MovableFile('2', MIB, way)
  other.takes = false
  writer.complete(writer.reserve(), [Buffer.from('<'), new MovableFile('1', MIB, way), other, Buffer.from('>')])
  writer.pump()
  assert.equal(transfer.added.length, 1 + MIB)
  transfer.end()
  assert.ok(socket.text === `<${'1'.repeat(MIB)}${'2'.repeat(MIB)}>`)
})

test('a connection that ends in the middle of a transfer takes it back', () => {
  const { writer, way, transfer } = transferSetup()
  const files = [new MovableFile('1', MIB, way), new MovableFile('2', MIB, way)]
  writer.complete(writer.reserve(), [files[0]!])
  writer.pump()
  writer.complete(writer.reserve(), [files[1]!])
  writer.end()
  assert.equal(transfer.closed, true)
  assert.deepEqual(
    files.map(({ releases }) => releases),
    [1, 1],
  )
})

test('a slow transfer counts as activity', () => {
  const { writer, way, transfer } = transferSetup()
  assert.equal(writer.hasMoved, false)
  writer.complete(writer.reserve(), [new MovableFile('1', MIB, way)])
  writer.pump()
  assert.equal(writer.hasMoved, false)
  transfer.moved = 10
  assert.equal(writer.hasMoved, true)
  assert.equal(writer.hasMoved, false)
})

test('a client that always has more on the way leaves little of what it got', () => {
  const { writer, way, transfer } = transferSetup()
  writer.complete(writer.reserve(), [new MovableFile('1', 300_000, way)])
  writer.pump()
  for (let i = 0; i < 1000; i++) {
    writer.complete(writer.reserve(), [Buffer.from('head'), new MovableFile('1', 300_000, way)])
    transfer.end()
    assert.ok(transfer.isUnderWay)
  }
  const { output } = writer as unknown as { output: unknown[] }
  assert.ok(output.length < 200, `${output.length} pieces`)
})
