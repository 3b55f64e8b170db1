import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Writer } from '../../../src/protocol/codec/writer.js'

/** Shorter than what is passed on without a copy. */
const PART = Buffer.alloc(1000, 0xaa)

test('every byte is where it belongs wherever the end of a slab falls', () => {
  const fields: [string, (writer: Writer) => void, number[]][] = [
    ['bool', (writer) => writer.bool(true), [1]],
    ['int8', (writer) => writer.int8(-2), [0xfe]],
    ['int16', (writer) => writer.int16(0x0102), [1, 2]],
    ['uvarint of one byte', (writer) => writer.uvarint(5), [5]],
    ['uvarint of two bytes', (writer) => writer.uvarint(300), [0xac, 2]],
    ['uvarint of five bytes', (writer) => writer.uvarint(0xffffffff), [0xff, 0xff, 0xff, 0xff, 0x0f]],
    ['compact string', (writer) => writer.compactString('ab'), [3, 97, 98]],
  ]
  for (const [name, write, expected] of fields) {
    for (let before = 65_520; before <= 65_545; before++) {
      const writer = new Writer()
      writer.begin()
      let left = before
      for (; left >= 1100; left -= 1004) writer.bytes(PART)
      for (; left > 0; left--) writer.int8(0x55)
      write(writer)
      const written = Buffer.concat(writer.finish())
      assert.equal(written.length, before + expected.length, `${name} after ${before}`)
      assert.deepEqual([...written.subarray(before)], expected, `${name} after ${before}`)
    }
  }
})
