// A consumer meets damaged bytes in the middle of an answer: what lies before them is handed out first.

import assert from 'node:assert/strict'
import { mkdtempSync, openSync, readFileSync, rmSync, writeSync, closeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Consumer } from '../../src/client/index.js'
import { open } from '../../src/index.js'

const SEGMENT = '00000000000000000000.log'

/** Flips a bit in `text`, which stands in the file once. */
function damage(file: string, text: string): void {
  const at = readFileSync(file).indexOf(text)
  assert.notEqual(at, -1)
  const fd = openSync(file, 'r+')
  writeSync(fd, Buffer.from([text.charCodeAt(0) ^ 1]), 0, 1, at)
  closeSync(fd)
}

test('a poll gives the records before a damaged batch, and every later one says where the damage is', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'millrace-damaged-'))
  const millrace = await open({ dataDir, listen: { port: 0 }, workers: 0 })
  const { port } = millrace.addresses[0]!
  const consumer = new Consumer({ bootstrapServers: `127.0.0.1:${port}` })
  t.after(async () => {
    await consumer.close()
    await millrace.close()
    rmSync(dataDir, { recursive: true, force: true })
  })
  const producer = millrace.producer()
  for (const value of ['sound', 'also sound', 'damaged', 'behind']) await producer.send({ topic: 'events', partition: 0, value })
  damage(join(dataDir, 'events-0', SEGMENT), 'damaged')

  consumer.assign([{ topic: 'events', partition: 0, offset: 0 }])
  const values: string[] = []
  while (values.length < 2) values.push(...(await consumer.poll(10_000)).map(({ value }) => value!.toString()))
  assert.deepEqual(values, ['sound', 'also sound'])
  for (let poll = 0; poll < 2; poll++) await assert.rejects(consumer.poll(10_000), /events-0 at offset 2: .*CRC.*CORRUPT_MESSAGE/)
})
