import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import fc from 'fast-check'
import { ByteWriter } from '../../../src/ensemble/store/bytes.js'
import { LOG_HEADER_BYTES, logHeader, markWrite, nextZxid, scanLog, writeFrame } from '../../../src/ensemble/store/frames.js'
import { decodeSnapshot, encodeSnapshot } from '../../../src/ensemble/store/snapshot.js'
import { MemberStore } from '../../../src/ensemble/store/member-store.js'
import { realDisk, type StoreDisk } from '../../../src/ensemble/store/disk.js'
import { listFiles } from '../../../src/ensemble/store/recovery.js'
import { OPEN_ACL, type Txn } from '../../../src/ensemble/tree/types.js'
import type { ZnodeTree } from '../../../src/ensemble/tree/znode-tree.js'
import { realEnv, silentLogger } from '../../../src/env/real.js'
import { tempDir } from '../helpers.js'

const SESSION = 0x0100000000000001n
const FIRST = (1n << 32n) | 1n

function openStore(t: TestContext, dir: string) {
  const opened = MemberStore.open({ dir, logger: silentLogger, keepSnapshots: 3 })
  t.after(() => opened.store.close())
  return opened
}

function txn(n: number): Txn {
  if (n === 0) return { sessionId: SESSION, auth: [], body: { kind: 'createSession', timeoutMs: 1000, password: new Uint8Array(16) } }
  return {
    sessionId: SESSION,
    auth: [{ scheme: 'digest', id: 'a:b' }],
    body: {
      kind: 'create',
      path: `/n${n}`,
      data: Buffer.from(`value ${n}`),
      acl: OPEN_ACL,
      mode: 'persistent',
      sequential: false,
      ttlMs: 0,
    },
  }
}

/** Appends and applies transactions [from, to). */
async function write(store: MemberStore, tree: ZnodeTree, from: number, to: number): Promise<void> {
  const all: Promise<void>[] = []
  for (let n = from; n < to; n++) {
    const zxid = FIRST + BigInt(n)
    all.push(
      new Promise((resolve, reject) =>
        store.append(zxid, n, txn(n), (error) => {
          if (error) return reject(error)
          tree.apply(txn(n), zxid, n)
          resolve()
        }),
      ),
    )
  }
  await Promise.all(all)
}

/** A closed directory holding transactions [0, count); returns its log file. */
async function filled(t: TestContext, dir: string, count: number): Promise<string> {
  const { store, tree } = openStore(t, dir)
  await write(store, tree, 0, count)
  await store.close()
  return listFiles(realDisk, dir, 'log')[0]!.file
}

test('what was reported durable is there again', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  const { store, tree } = openStore(t, dir)
  await write(store, tree, 0, 50)
  await store.close()
  const again = openStore(t, dir)
  assert.deepEqual(encodeSnapshot(again.tree), encodeSnapshot(tree))
  await write(again.store, again.tree, 50, 60)
  await again.store.close()
  assert.equal(openStore(t, dir).tree.lastZxid, FIRST + 59n)
  assert.equal(listFiles(realDisk, dir, 'log').length, 1)
})

test('appends of one tick share an fsync and are reported in order', async (t) => {
  const { store, tree } = openStore(t, path.join(tempDir(t), 'e'))
  const order: number[] = []
  await new Promise<void>((resolve) => {
    for (let n = 0; n < 100; n++) store.append(FIRST + BigInt(n), n, txn(n), () => (order.push(n), n === 99 && resolve()))
  })
  assert.deepEqual(
    order,
    Array.from({ length: 100 }, (_, i) => i),
  )
  assert.equal(store.flushes, 1)
  assert.equal(tree.size, 4)
})

test('two groups of requests that take turns at a slow disk become one', async (t) => {
  const clock = realEnv().clock
  const slow = { ...realDisk, write: () => realDisk.wait(8) }
  const { store } = MemberStore.open({ dir: path.join(tempDir(t), 'e'), logger: silentLogger, clock, disk: slow })
  t.after(() => store.close())
  let n = 0
  const round = (): Promise<void> => new Promise((resolve) => store.append(FIRST + BigInt(n), n, txn(++n), () => resolve()))
  const work = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) {
      await round()
      // The way to a client and back.
      await realDisk.wait(1)
    }
  }
  // One request, and while it is written nineteen more: without waiting they would take turns for ever.
  const first = work()
  await realDisk.wait(2)
  await Promise.all([first, ...Array.from({ length: 19 }, work)])
  assert.ok(store.flushes <= 30, `${store.flushes} writes`)
})

test('one request at a time never waits for another', async (t) => {
  const { store } = MemberStore.open({
    dir: path.join(tempDir(t), 'e'),
    logger: silentLogger,
    clock: realEnv().clock,
    disk: { ...realDisk, write: () => realDisk.breathe().then(() => undefined), wait: () => assert.fail('it waited') },
  })
  t.after(() => store.close())
  for (let n = 0; n < 30; n++) await new Promise((resolve) => store.append(FIRST + BigInt(n), n, txn(n), resolve))
  assert.equal(store.flushes, 30)
})

test('a log cut anywhere inside its last entry loses that entry alone, and the cut bytes are kept', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  const file = await filled(t, dir, 5)
  const whole = entriesOf(fs.readFileSync(file))
  const ends = entryEnds(whole)
  for (const cut of [ends[3]! + 4, ends[3]! + 9, whole.length - 1]) {
    fs.writeFileSync(file, whole.subarray(0, cut))
    const { store, tree } = openStore(t, dir)
    assert.equal(tree.lastZxid, FIRST + 3n)
    assert.deepEqual(fs.readFileSync(`${file}.torn-${ends[3]}`), whole.subarray(ends[3], cut))
    await write(store, tree, 4, 6)
    await store.close()
    assert.equal(openStore(t, dir).tree.lastZxid, FIRST + 5n)
  }
})

test('a log torn inside its header, the first write of all, is put aside and the member starts anew', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  const file = await filled(t, dir, 2)
  fs.truncateSync(file, 7)
  assert.equal(openStore(t, dir).tree.lastZxid, 0n)
  assert.ok(fs.existsSync(`${file}.torn-0`))
})

test('where the header alone is left of the first write of a log, the next one may begin with another transaction', async (t) => {
  for (const left of [LOG_HEADER_BYTES, LOG_HEADER_BYTES + 5]) {
    const dir = path.join(tempDir(t), 'e')
    const file = await filled(t, dir, 1)
    fs.truncateSync(file, left)
    const { store } = openStore(t, dir)
    // Another leader was elected meanwhile: nobody has what this member lost.
    const zxid = (2n << 32n) | 1n
    await new Promise<void>((resolve, reject) => store.append(zxid, 1, txn(0), (error) => (error ? reject(error) : resolve())))
    await store.close()
    assert.equal(openStore(t, dir).tree.lastZxid, zxid)
  }
})

test('a damaged entry with valid ones after it is refused, naming file and position, and nothing is changed', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  const file = await filled(t, dir, 8)
  const bytes = fs.readFileSync(file)
  const at = entryEnds(bytes)[2]!
  bytes[at + 40]! ^= 1
  fs.writeFileSync(file, bytes)
  assert.throws(
    () => openStore(t, dir),
    (error: Error & { code: string }) => {
      assert.equal(error.code, 'ERR_MILLRACE_ENSEMBLE_STORE')
      assert.ok(error.message.includes(`${file} is damaged at byte ${at}`), error.message)
      return true
    },
  )
  assert.deepEqual(fs.readFileSync(file), bytes)
})

test('a log of a newer format is refused', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  const file = await filled(t, dir, 2)
  const bytes = fs.readFileSync(file)
  bytes.writeInt32BE(9, 4)
  fs.writeFileSync(file, bytes)
  assert.throws(() => openStore(t, dir), /format version 9, this release reads 1 to 3/)
})

test('property: whatever one byte flip does to a log, no transaction is invented and only a tail may be cut', async (t) => {
  const stored = fs.readFileSync(await filled(t, path.join(tempDir(t), 'e'), 12))
  const file = stored.subarray(0, entriesOf(stored).length + 50)
  fc.assert(
    fc.property(fc.integer({ min: 0, max: file.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, mask) => {
      const bytes = Buffer.from(file)
      bytes[at]! ^= mask
      const seen: bigint[] = []
      const verdict = scanLog(bytes, ({ zxid }) => seen.push(zxid))
      assert.deepEqual(
        seen,
        Array.from({ length: seen.length }, (_, i) => FIRST + BigInt(i)),
      )
      // Of the mark of a write's beginning nothing is lost.
      const isWhole = mask === 0x80 && verdict.kind === 'clean' && seen.length === 12
      assert.ok(verdict.kind === 'corrupt' || (verdict.kind === 'torn' && seen.length >= 11) || isWhole, verdict.kind)
    }),
    { numRuns: 400 },
  )
})

for (const older of [1, 2]) {
  test(`a header whose format was flipped to ${older} is found`, async (t) => {
    const dir = path.join(tempDir(t), 'e')
    const file = await filled(t, dir, 5)
    const bytes = fs.readFileSync(file)
    bytes.writeInt32BE(older, 4)
    fs.writeFileSync(file, bytes)
    assert.throws(() => openStore(t, dir), new RegExp(`says format version ${older}, and has the checksum of 3`))
  })
}

test('a log of format 2 whose header says 1 is found by the marks of its writes', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  const file = await filled(t, dir, 5)
  fs.writeFileSync(file, asFormat(1, fs.readFileSync(file)))
  assert.throws(() => openStore(t, dir), /says format version 1, and has what came with 2/)
})

test('snapshots replace logs, and the newest valid one is used', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  const { store, tree } = openStore(t, dir)
  for (let round = 0; round < 5; round++) {
    await write(store, tree, round * 10, round * 10 + 10)
    await store.snapshot(tree)
  }
  await write(store, tree, 50, 55)
  await store.close()
  assert.deepEqual(
    listFiles(realDisk, dir, 'snapshot').map(({ zxid }) => zxid - FIRST),
    [29n, 39n, 49n],
  )
  assert.deepEqual(
    listFiles(realDisk, dir, 'log').map(({ zxid }) => zxid - FIRST),
    [30n, 40n, 50n],
  )
  assert.deepEqual(encodeSnapshot(openStore(t, dir).tree), encodeSnapshot(tree))
})

test('damaged snapshots are put aside and the one before them plus the logs give the same tree', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  const { store, tree } = openStore(t, dir)
  for (let round = 0; round < 5; round++) {
    await write(store, tree, round * 10, round * 10 + 10)
    await store.snapshot(tree)
  }
  await write(store, tree, 50, 53)
  await store.close()
  const newest = listFiles(realDisk, dir, 'snapshot').slice(-2)
  for (const { file } of newest) {
    const bytes = fs.readFileSync(file)
    bytes[60]! ^= 4
    fs.writeFileSync(file, bytes)
  }
  assert.deepEqual(encodeSnapshot(openStore(t, dir).tree), encodeSnapshot(tree))
  for (const { file } of newest) assert.ok(fs.existsSync(`${file}.damaged`))
})

test('a damaged snapshot whose logs are gone is refused at every start, not taken for an empty directory', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  const { store, tree } = openStore(t, dir)
  await write(store, tree, 0, 10)
  await store.snapshot(tree)
  await store.close()
  fs.truncateSync(listFiles(realDisk, dir, 'snapshot')[0]!.file, 30)
  fs.unlinkSync(listFiles(realDisk, dir, 'log')[0]!.file)
  assert.throws(() => openStore(t, dir), /would be lost/)
  assert.throws(() => openStore(t, dir), /would be lost/)
})

test('when no valid snapshot reaches back far enough the member does not open, ever', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  const { store, tree } = openStore(t, dir)
  for (let round = 0; round < 5; round++) {
    await write(store, tree, round * 10, round * 10 + 10)
    await store.snapshot(tree)
  }
  await store.close()
  for (const { file } of listFiles(realDisk, dir, 'snapshot')) fs.truncateSync(file, 30)
  assert.throws(() => openStore(t, dir), /no valid snapshot|would be lost/)
  assert.throws(() => openStore(t, dir), /no valid snapshot|would be lost/)
})

test('a missing log file is refused', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  const { store, tree } = openStore(t, dir)
  for (let round = 0; round < 3; round++) {
    await write(store, tree, round * 10, round * 10 + 10)
    if (round === 1) await store.snapshot(tree)
  }
  await store.close()
  fs.unlinkSync(listFiles(realDisk, dir, 'snapshot')[0]!.file)
  fs.unlinkSync(listFiles(realDisk, dir, 'log')[0]!.file)
  assert.throws(() => openStore(t, dir), /no valid snapshot holds what came before/)
})

test('after a failed write nothing more is taken', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  const { store, tree } = openStore(t, dir)
  fs.rmSync(dir, { recursive: true })
  await assert.rejects(write(store, tree, 0, 1), /writing the metadata log .* failed/)
  fs.mkdirSync(dir)
  await assert.rejects(write(store, tree, 1, 2), /writing the metadata log .* failed/)
  assert.equal(tree.lastZxid, 0n)
})

test('a zxid counter that is full opens the next epoch', () => {
  assert.equal(nextZxid((1n << 32n) | 0xffffffffn), (2n << 32n) | 1n)
})

test('a snapshot of any tree reads back', async (t) => {
  const { store, tree } = openStore(t, path.join(tempDir(t), 'e'))
  await write(store, tree, 0, 20)
  const back = decodeSnapshot(encodeSnapshot(tree))
  assert.ok(typeof back !== 'string')
  assert.deepEqual(encodeSnapshot(back), encodeSnapshot(tree))
})

/** Without the reserved space. */
function entriesOf(file: Buffer): Buffer {
  return file.subarray(0, entryEnds(file).at(-1)!)
}

function entryEnds(file: Buffer): number[] {
  const ends: number[] = []
  for (let at = LOG_HEADER_BYTES; at + 8 < file.length && file.readUInt32BE(at) !== 0;) {
    ends.push((at += 8 + (file.readUInt32BE(at) & 0x7fffffff)))
  }
  return ends
}

test('the bytes of a log entry stay as they are', () => {
  const out = new ByteWriter()
  writeFrame(out, FIRST, 1, txn(1))
  assert.equal(Buffer.concat([logHeader(FIRST), out.view()]).toString('hex'), '4d52544c0000000300000001000000014e43cce7' + GOLDEN_ENTRY)
})

const GOLDEN_ENTRY =
  '00000048e8b7f50f000000010000000100000000000000010100000000000001000000010000000664696765737400000003613a62' +
  '0000000f000000032f6e310000000776616c75652031ffffffff00'

test('what is reserved behind the last entry is its end after a crash, is written to later, and costs no file', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  const file = await filled(t, dir, 5)
  const [reserved, end] = [fs.statSync(file).size, entriesOf(fs.readFileSync(file)).length]
  assert.ok(reserved >= end + 64 * 1024, `${reserved} bytes`)
  const { store, tree } = openStore(t, dir)
  assert.equal(tree.lastZxid, FIRST + 4n)
  await write(store, tree, 5, 9)
  await store.close()
  assert.equal(fs.statSync(file).size, reserved)
  assert.equal(openStore(t, dir).tree.lastZxid, FIRST + 8n)
  assert.deepEqual(fs.readdirSync(dir), [path.basename(file)])
})

/** Two writes, the second of many sectors; `damage` gets the file and where the second begins and ends. */
async function twoWrites(t: TestContext, damage: (bytes: Buffer, begin: number, end: number) => void): Promise<string> {
  const dir = path.join(tempDir(t), 'e')
  const { store, tree } = openStore(t, dir)
  await write(store, tree, 0, 5)
  const file = listFiles(realDisk, dir, 'log')[0]!.file
  const begin = entriesOf(fs.readFileSync(file)).length
  await write(store, tree, 5, 60)
  await store.close()
  const bytes = fs.readFileSync(file)
  damage(bytes, begin, entriesOf(bytes).length)
  fs.writeFileSync(file, bytes)
  return dir
}

test('property: of the last write any sectors may be missing: what it held from there on is cut, and all before it is there', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { minLength: 9, maxLength: 9 }), async (kept) => {
      let lost = false
      const dir = await twoWrites(t, (bytes, begin, end) => {
        for (let at = begin, i = 0; at < end; i++) {
          const next = Math.min(at - (at % 512) + 512, end)
          if (!kept[i % kept.length]) {
            bytes.fill(0, at, next)
            lost = true
          }
          at = next
        }
      })
      const { tree, store } = openStore(t, dir)
      assert.ok(tree.lastZxid >= FIRST + 4n)
      assert.ok(lost ? tree.lastZxid < FIRST + 59n : tree.lastZxid === FIRST + 59n)
      const from = Number(tree.lastZxid - FIRST) + 1
      await write(store, tree, from, from + 3)
      await store.close()
      assert.equal(openStore(t, dir).tree.lastZxid, FIRST + BigInt(from) + 2n)
    }),
    { numRuns: 25 },
  )
})

test('a sector of zeros before the last write is damage: what was reported durable lay there', async (t) => {
  const dir = await twoWrites(t, (bytes) => bytes.fill(0, 120, 512))
  assert.throws(() => openStore(t, dir), /is damaged at byte \d+/)
})

test('a flipped bit in the last write is damage while entries follow it: a disk tears writes by sectors', async (t) => {
  const dir = await twoWrites(t, (bytes, begin) => (bytes[begin + 40]! ^= 1))
  assert.throws(() => openStore(t, dir), /is damaged at byte \d+/)
})

/** Two writes of whole entries and reserved space; the second begins `shift` bytes later than it could. */
function twoWritesShifted(shift: number): { readonly bytes: Buffer; readonly begin: number; readonly ends: number[] } {
  const out = new ByteWriter(16)
  const parts = [logHeader(FIRST)]
  const ends: number[] = []
  let size = LOG_HEADER_BYTES
  for (let n = 0; n < 30; n++) {
    out.reset()
    const body = { kind: 'setData', path: '/n', data: Buffer.alloc(shift, 'x'), version: -1 } as const
    writeFrame(out, FIRST + BigInt(n), n, n === 1 ? { sessionId: SESSION, auth: [], body } : txn(n))
    const frame = Buffer.from(out.view())
    if (n === 0 || n === 5) markWrite(frame)
    parts.push(frame)
    ends.push((size += frame.length))
  }
  return { bytes: Buffer.concat([...parts, Buffer.alloc(1024)]), begin: ends[4]!, ends }
}

/** Where the whole sectors and parts of sectors of [begin, end) begin and end. */
function sectorsOf(begin: number, end: number): [number, number][] {
  const sectors: [number, number][] = []
  for (let at = begin; at < end; at = at - (at % 512) + 512) sectors.push([at, Math.min(at - (at % 512) + 512, end)])
  return sectors
}

function isZeroFrom(bytes: Buffer, at: number): boolean {
  return bytes.subarray(at).every((byte) => byte === 0)
}

const SHIFTS = Array.from({ length: 120 }, (_, shift) => shift)

test('any sectors of the last write may be missing, wherever its entries begin: also those that end inside the zeros of a length', () => {
  let insideLength = 0
  for (const shift of SHIFTS) {
    const { bytes: whole, begin, ends } = twoWritesShifted(shift)
    const sectors = sectorsOf(begin, ends.at(-1)!)
    for (let missing = 1; missing < 1 << sectors.length; missing++) {
      const bytes = Buffer.from(whole)
      for (const [i, [from, to]] of sectors.entries()) {
        if ((missing & (1 << i)) === 0) continue
        bytes.fill(0, from, to)
        if (ends.some((end) => end < to && to < end + 4)) insideLength++
      }
      let seen = 0
      const verdict = scanLog(bytes, () => seen++)
      // The first byte of these lengths is the mark alone: an entry is whole without it.
      const lost = [LOG_HEADER_BYTES, ...ends].findIndex((start, n) => whole.compare(bytes, start + 1, ends[n], start + 1, ends[n]) !== 0)
      const position = lost === -1 ? ends.at(-1)! : ends[lost - 1]!
      const lastWrite = position === begin || bytes[begin] === 0 ? 0 : begin
      const cut = { kind: 'torn', position, version: 3, lastWrite }
      const expected = isZeroFrom(bytes, position) ? { kind: 'clean', end: position, version: 3, lastWrite } : cut
      assert.deepEqual(verdict, expected, `shift ${shift}, sectors ${missing.toString(2)}`)
      assert.equal(seen, ends.indexOf(position) + 1)
    }
  }
  assert.ok(insideLength > 100, String(insideLength))
})

test('a bit that flipped in the last write is damage while entries follow it, also where a sector ends inside the zeros of its length', () => {
  for (const shift of SHIFTS) {
    const { bytes: whole, begin, ends } = twoWritesShifted(shift)
    for (const at of [begin, ...ends].filter((end) => end >= begin && end < ends.at(-2)!)) {
      const bytes = Buffer.from(whole)
      bytes[at + 30]! ^= 1
      const verdict = scanLog(bytes, () => undefined)
      assert.ok(verdict.kind === 'corrupt' && verdict.position === at, `shift ${shift}, ${at}: ${verdict.kind}`)
    }
  }
})

test('a member opens its log when the sector before an entry is missing, up to three bytes into the entry', async (t) => {
  for (const inside of [1, 2, 3]) {
    const dir = path.join(tempDir(t), 'e')
    const before = (ends: number[]): number => ends.findIndex((end, n) => n > 12 && n < 29 && end % 512 === 512 - inside)
    const { bytes, ends } = SHIFTS.map(twoWritesShifted).find((log) => before(log.ends) !== -1)!
    const lostTo = ends[before(ends)]! + inside
    fs.mkdirSync(dir)
    fs.writeFileSync(path.join(dir, `log.${FIRST.toString(16)}`), bytes.fill(0, lostTo - 512, lostTo))
    const kept = ends.filter((end) => end <= lostTo - 512).length
    const { store, tree } = openStore(t, dir)
    assert.equal(tree.lastZxid, FIRST + BigInt(kept) - 1n)
    await write(store, tree, kept, kept + 3)
    await store.close()
    assert.equal(openStore(t, dir).tree.lastZxid, FIRST + BigInt(kept) + 2n)
  }
})

/** As the formats before had it: a header without a checksum. */
function asFormat(version: 1 | 2, bytes: Buffer): Buffer {
  const header = Buffer.from(bytes.subarray(0, 16))
  header.writeInt32BE(version, 4)
  return Buffer.concat([header, bytes.subarray(LOG_HEADER_BYTES)])
}

for (const version of [1, 2] as const) {
  test(`a log of format ${version} is read, and a new one begun behind it`, async (t) => {
    const dir = path.join(tempDir(t), 'e')
    const file = await filled(t, dir, 5)
    const stored = fs.readFileSync(file)
    const bytes = asFormat(version, version === 1 ? entriesOf(stored) : stored)
    if (version === 1) bytes[16]! &= 0x7f
    fs.writeFileSync(file, bytes)
    const { store, tree } = openStore(t, dir)
    assert.equal(tree.lastZxid, FIRST + 4n)
    await write(store, tree, 5, 8)
    await store.close()
    assert.deepEqual(fs.readFileSync(file), bytes)
    assert.equal(openStore(t, dir).tree.lastZxid, FIRST + 7n)
  })
}

test('the last write is written again at the start: a former process may have read back what its disk never took', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  const opened = openStore(t, dir)
  await write(opened.store, opened.tree, 0, 5)
  const file = listFiles(realDisk, dir, 'log')[0]!.file
  const begin = entriesOf(fs.readFileSync(file)).length
  await write(opened.store, opened.tree, 5, 8)
  await opened.store.close()
  const bytes = entriesOf(fs.readFileSync(file))
  const again: [string, string, number][] = []
  const disk: StoreDisk = { ...realDisk, overwriteNow: (...[name, data, at]) => again.push([name, Buffer.from(data).toString('hex'), at]) }
  const { store } = MemberStore.open({ dir, logger: silentLogger, disk })
  await store.close()
  assert.deepEqual(again, [[file, bytes.subarray(begin).toString('hex'), begin]])
})

/** Writes fail with ENOSPC, half done, while it is full; a pause ends when `tryNow` is called. */
class FullableDisk {
  full = false
  readonly #pauses: (() => void)[] = []
  readonly disk: StoreDisk = {
    ...realDisk,
    wait: () => new Promise<void>((resolve) => this.#pauses.push(resolve)),
    write: async (fd, data, position) => {
      fs.writeSync(fd, data, 0, this.full ? data.length >> 1 : data.length, position)
      if (this.full) throw Object.assign(new Error('ENOSPC: injected'), { code: 'ENOSPC' })
    },
  }

  /** Ends the pause under way. */
  tryNow(): void {
    for (const end of this.#pauses.splice(0)) end()
  }
}

function signal(): { readonly told: Promise<void>; tell(): void } {
  let tell = (): void => undefined
  const told = new Promise<void>((resolve) => (tell = resolve))
  return { told, tell: () => tell() }
}

test('a member of several waits for space: what was queued keeps its place, and it is told when all of it is durable', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  const fullable = new FullableDisk()
  const stalled = signal()
  const resumed = signal()
  const whenFull = { stalled: () => stalled.tell(), resumed: () => resumed.tell() }
  const { store, tree } = MemberStore.open({ dir, logger: silentLogger, disk: fullable.disk, whenFull })
  await write(store, tree, 0, 3)
  fullable.full = true
  const first = write(store, tree, 3, 5)
  await stalled.told
  const second = write(store, tree, 5, 6)
  assert.match(store.problem ?? '', /the disk of .* is full/)
  fullable.full = false
  fullable.tryNow()
  await resumed.told
  assert.equal(tree.lastZxid, FIRST + 5n)
  await Promise.all([first, second])
  assert.equal(store.problem, null)
  await store.close()
  assert.equal(openStore(t, dir).tree.lastZxid, FIRST + 5n)
})

test('a member that waits for space can be closed: what was not stored fails', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  const fullable = new FullableDisk()
  const stalled = signal()
  const whenFull = { stalled: () => stalled.tell(), resumed: () => assert.fail('it never had space') }
  const { store, tree } = MemberStore.open({ dir, logger: silentLogger, disk: fullable.disk, whenFull })
  await write(store, tree, 0, 3)
  fullable.full = true
  const refused = assert.rejects(write(store, tree, 3, 5), /is full/)
  await stalled.told
  await store.close()
  await refused
  assert.equal(openStore(t, dir).tree.lastZxid, FIRST + 2n)
})
