import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import fc from 'fast-check'
import { decodeEpochs, encodeEpochs, type StoredEpochs } from '../../../src/ensemble/store/epochs-file.js'
import { realDisk, type StoreDisk } from '../../../src/ensemble/store/disk.js'
import { MemberStore } from '../../../src/ensemble/store/member-store.js'
import { silentLogger } from '../../../src/env/real.js'
import { tempDir } from '../helpers.js'

const OLD = { acceptedEpoch: 4, acceptedFrom: 2, currentEpoch: 3 }
const NEW = { acceptedEpoch: 12, acceptedFrom: -1, currentEpoch: 4 }

function open(t: TestContext, dir: string, disk: StoreDisk = realDisk) {
  const opened = MemberStore.openWithTail({ dir, logger: silentLogger, disk })
  t.after(() => opened.store.close())
  return opened
}

function save(store: MemberStore, epochs: StoredEpochs): Promise<void> {
  return new Promise((resolve, reject) => store.saveEpochs(epochs, (error) => (error ? reject(error) : resolve())))
}

test('what was promised is there again, and a save after the first is one durable write', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  const acts: string[] = []
  const disk: StoreDisk = {
    ...realDisk,
    write: (...args) => {
      acts.push('write')
      return realDisk.write(...args)
    },
    writeFile: (...args) => {
      acts.push('whole file')
      return realDisk.writeFile(...args)
    },
    syncDir: (...args) => {
      acts.push('directory')
      return realDisk.syncDir(...args)
    },
  }
  const { store, epochs } = open(t, dir, disk)
  assert.equal(epochs, null)
  await save(store, OLD)
  assert.deepEqual(acts.splice(0), ['whole file', 'directory', 'directory'])
  await save(store, NEW)
  assert.deepEqual(acts, ['write'])
  await store.close()
  assert.deepEqual(open(t, dir).epochs, NEW)
})

test('property: a save that is torn anywhere leaves what was there before, or the new one', () => {
  const [before, after] = [encodeEpochs(OLD, 1), encodeEpochs(NEW, 2)]
  fc.assert(
    fc.property(fc.integer({ min: 0, max: after.length }), (cut) => {
      const found = decodeEpochs(Buffer.concat([after.subarray(0, cut), before.subarray(cut)]))
      assert.deepEqual(found?.epochs, cut < 512 ? (found?.save === 1 ? OLD : NEW) : NEW)
    }),
    { numRuns: 2000 },
  )
})

test('property: of the sectors of a save any may be missing', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 9, maxLength: 9 }), (written) => {
      const file = encodeEpochs(OLD, 1)
      const after = encodeEpochs(NEW, 2)
      written.forEach((is, i) => is && after.copy(file, i * 512, i * 512, (i + 1) * 512))
      assert.deepEqual(decodeEpochs(file)?.epochs, written[0] || written[8] ? NEW : OLD)
    }),
  )
})

test('property: a byte that is damaged in either copy loses nothing, and is mended at the start', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  const { store } = open(t, dir)
  await save(store, NEW)
  await store.close()
  const file = path.join(dir, 'epochs')
  const sound = fs.readFileSync(file)
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: sound.length - 1 }), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
      const bytes = Buffer.from(sound)
      bytes[at]! ^= mask
      fs.writeFileSync(file, bytes)
      const again = MemberStore.openWithTail({ dir, logger: silentLogger })
      await again.store.close()
      assert.deepEqual(again.epochs, NEW)
      assert.deepEqual(fs.readFileSync(file), sound)
    }),
    { numRuns: 50 },
  )
})

test('a member whose promises are damaged in both copies does not open', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  const { store } = open(t, dir)
  await save(store, NEW)
  await store.close()
  const file = path.join(dir, 'epochs')
  const bytes = fs.readFileSync(file)
  for (const at of [30, 4096 + 30]) bytes[at]! ^= 1
  fs.writeFileSync(file, bytes)
  assert.throws(() => open(t, dir), /epochs is damaged: what this member promised is not known/)
})

test('a file of the format before is read, and replaced by one of this', async (t) => {
  const dir = path.join(tempDir(t), 'e')
  fs.mkdirSync(dir, { recursive: true })
  const file = path.join(dir, 'epochs')
  fs.writeFileSync(file, 'version=1\nacceptedEpoch=4\nacceptedFrom=2\ncurrentEpoch=3\ncrc32c=7f16fcf3\n')
  const opened = open(t, dir)
  assert.deepEqual(opened.epochs, OLD)
  assert.deepEqual(decodeEpochs(fs.readFileSync(file))?.epochs, OLD)
  await save(opened.store, NEW)
  await opened.store.close()
  assert.deepEqual(open(t, dir).epochs, NEW)
})
