// A leader's answer on its way to a follower: which checksum finds what went wrong, and the answers of an older build.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BODY_LEAD, FRAME_HEADER, FrameType, ItemType, openFrame, readPiece, sealFrame, view, writePiece } from '../../src/link/frames.js'
import { checkReplicated } from '../../src/log/replicated-batches.js'
import { decodeVersioned, encodeVersioned } from '../../src/protocol/codec/codec.js'
import { int16, int32, int64, message } from '../../src/protocol/schema/dsl.js'
import { decodeFetchAnswer, encodeFetchAnswer, type FetchAnswerFields } from '../../src/replica/fetcher/messages.js'
import { batch } from '../log/support.js'

const EPOCH = 3
const END = 100
const FIELDS: Omit<FetchAnswerFields, 'recordsSize'> = {
  errorCode: 0,
  leaderEpoch: EPOCH,
  highWatermark: 4,
  logStartOffset: 0,
  logEndOffset: END,
  divergingEpoch: -1,
  divergingEndOffset: -1,
}

/** What a build before this one reads of an answer. */
const olderAnswer = message('ReplicaFetchAnswer', '0', 'none', {
  errorCode: int16('0+'),
  leaderEpoch: int32('0+', { default: -1 }),
  highWatermark: int64('0+', { default: -1 }),
  logStartOffset: int64('0+', { default: -1 }),
  logEndOffset: int64('0+', { default: -1 }),
  divergingEpoch: int32('0+', { default: -1 }),
  divergingEndOffset: int64('0+', { default: -1 }),
  recordsSize: int32('0+'),
})

/** Four batches, the third behind offsets that are left out, and the beginning of a fifth, as a read that ends at its limit gives them. */
function stored(tail: number): Uint8Array {
  const whole = [0, 2, 6, 9].map((baseOffset, i) => batch(i === 2 ? 3 : 2, { baseOffset, leaderEpoch: EPOCH }))
  return Buffer.concat([...whole, batch(2, { baseOffset: 11, leaderEpoch: EPOCH }).subarray(0, tail)])
}

/** The frame that a leader's link thread makes of an answer. */
function frameOf(records: Uint8Array, version: number): Uint8Array {
  const body = encodeFetchAnswer({ ...FIELDS, recordsSize: records.length }, (target, at) => {
    target.set(records, at)
    return records.length
  })
  assert.ok(!(body instanceof Uint8Array))
  assert.equal(body.selfChecked, records.length)
  const frame = new Uint8Array(BODY_LEAD + body.length)
  body.write(frame, BODY_LEAD)
  const { length } = body
  writePiece(view(frame), FRAME_HEADER, {
    type: ItemType.answer,
    flags: 3,
    status: 0,
    correlation: 7,
    index: 0,
    kind: 0,
    total: length,
    length,
  })
  const [type, value] = version < 2 ? [FrameType.data, 1] : [FrameType.bulk, body.selfChecked]
  return sealFrame(frame, frame.length, version, type, value)
}

/** What a follower appends of a frame; the checksum that found it wrong. */
function taken(frame: Uint8Array): Uint8Array | 'frame' | 'answer' {
  if (!openFrame(frame)) return 'frame'
  const { length } = readPiece(view(frame), FRAME_HEADER)!
  let decoded
  try {
    decoded = decodeFetchAnswer(frame.subarray(BODY_LEAD, BODY_LEAD + length))
  } catch {
    return 'answer'
  }
  const { size } = checkReplicated(decoded.records, EPOCH, 0, END)
  return decoded.records.subarray(0, size)
}

for (const version of [1, 2])
  test(`link version ${version}: with any bit of an answer turned on its way nothing is appended but what the leader has`, () => {
    for (const tail of [0, 15, 40, 70]) {
      const records = stored(tail)
      const frame = frameOf(records, version)
      const whole = taken(frame)
      assert.ok(whole instanceof Uint8Array && whole.length === records.length - tail)
      const found = { frame: 0, answer: 0, batch: 0 }
      for (let bit = 0; bit < frame.length * 8; bit++) {
        const bad = Uint8Array.from(frame)
        bad[bit >> 3]! ^= 1 << (bit & 7)
        const result = taken(bad)
        if (typeof result === 'string') found[result]++
        else {
          found.batch++
          assert.ok(result.length < whole.length, `bit ${bit} was not found, tail ${tail}`)
          assert.deepEqual(result, whole.subarray(0, result.length), `bit ${bit}, tail ${tail}`)
        }
      }
      // The heads of four batches, and the tail; what the batches cover; the rest is the frame's.
      const uncovered = 8 * (4 * 21 + tail)
      const expected = version === 1 ? [0, 0] : [uncovered, 8 * records.length - uncovered]
      assert.deepEqual([found.answer, found.batch], expected, `tail ${tail}`)
    }
  })

test('an older follower reads an answer of this build, and this build one of an older leader', () => {
  const records = stored(30)
  const body = frameOf(records, 1).subarray(BODY_LEAD)
  const fields = { ...FIELDS, recordsSize: records.length }
  assert.deepEqual({ ...decodeVersioned(olderAnswer, body) }, fields)
  assert.deepEqual(body.subarray(body.length - records.length), Uint8Array.from(records))
  const older = Buffer.concat([encodeVersioned(olderAnswer, 0, fields), records])
  const decoded = decodeFetchAnswer(older)
  assert.deepEqual({ ...decoded.answer }, { ...fields, recordsChecksum: -1 })
  assert.deepEqual(Uint8Array.from(decoded.records), Uint8Array.from(records))
})

test('an answer that says more records than it has is refused', () => {
  const body = Buffer.from(frameOf(stored(0), 2).subarray(BODY_LEAD))
  // Behind version, error code, two epochs and four offsets.
  body.writeInt32BE(body.length + 1, 2 + 2 + 4 + 8 + 8 + 8 + 4 + 8)
  assert.throws(() => decodeFetchAnswer(body))
  body.writeInt32BE(-1, 2 + 2 + 4 + 8 + 8 + 8 + 4 + 8)
  assert.throws(() => decodeFetchAnswer(body))
})
