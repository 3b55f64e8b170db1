// A node's hold on its data directory and its ports: refused when taken, released by close, nothing left running.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { open, type OpenOptions } from '../../src/embedded/open.js'
import type { Millrace } from '../../src/embedded/open.js'

const run = promisify(execFile)
/** For a process that never ends by itself: none that does takes this long on any machine. */
const ENDLESS = { timeout: 120_000 }
const ENTRY = fileURLToPath(new URL('../../src/index.js', import.meta.url))

/** Cleanups of a test, last in first out: a node is closed before its directory goes. */
const cleanups = new WeakMap<TestContext, (() => unknown)[]>()

function later(t: TestContext, cleanup: () => unknown): void {
  const known = cleanups.get(t)
  if (known) {
    known.push(cleanup)
    return
  }
  const stack = [cleanup]
  cleanups.set(t, stack)
  t.after(async () => {
    for (const each of stack.toReversed()) await each()
  })
}

function tempDir(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-node-'))
  later(t, () => rmSync(dir, { recursive: true, force: true }))
  return dir
}

async function opened(t: TestContext, options: OpenOptions): Promise<Millrace> {
  const millrace = await open(options)
  later(t, () => millrace.close())
  return millrace
}

const withCode = (code: string, text: RegExp) => (error: unknown) => {
  assert.equal((error as { code?: string }).code, code)
  assert.match((error as Error).message, text)
  return true
}

test('a data directory in use is refused with its path, in this process and in another, and free after close', async (t) => {
  const dataDir = tempDir(t)
  const first = await opened(t, { dataDir })
  const inUse = withCode('ERR_MILLRACE_LOCKED', new RegExp(dataDir))
  await assert.rejects(open({ dataDir }), inUse)
  const script = `import { open } from ${JSON.stringify(ENTRY)}; await open({ dataDir: process.argv[1] }).catch((error) => console.log(error.code))`
  assert.equal((await run(process.execPath, ['--input-type=module', '-e', script, dataDir])).stdout.trim(), 'ERR_MILLRACE_LOCKED')
  await first.close()
  await opened(t, { dataDir })
})

test('one locked directory of several is refused and the others are free again', async (t) => {
  const [a, b, c] = [tempDir(t), tempDir(t), tempDir(t)]
  const first = await opened(t, { dataDir: b })
  // Used before: an empty first directory beside a used one is refused for that.
  await (await open({ dataDir: a })).close()
  await assert.rejects(open({ dataDir: [a, b, c] }), withCode('ERR_MILLRACE_LOCKED', new RegExp(b)))
  await (await open({ dataDir: [a, c] })).close()
  await first.close()
})

test('a port in use is refused with its number, and the data directory is free again', async (t) => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as { port: number }
  const dataDir = tempDir(t)
  await assert.rejects(open({ dataDir, listen: { port } }), withCode('EADDRINUSE', new RegExp(String(port))))
  await (await open({ dataDir })).close()
})

test('the port of another node is refused too, although workers share theirs', async (t) => {
  const first = await opened(t, { dataDir: tempDir(t), listen: { port: 0 }, workers: 2 })
  const { port } = first.addresses[0]!
  const dataDir = tempDir(t)
  await assert.rejects(open({ dataDir, listen: { port } }), withCode('EADDRINUSE', new RegExp(String(port))))
  await first.close()
  const second = await opened(t, { dataDir, listen: { port } })
  assert.equal(second.addresses[0]!.port, port)
})

test('a second port that is taken gives the first one back', async (t) => {
  const first = await opened(t, { dataDir: tempDir(t), listen: { port: 0 } })
  const taken = first.addresses[0]!.port
  const free = await open({ dataDir: tempDir(t), listen: { port: 0 } })
  const { port } = free.addresses[0]!
  await free.close()
  await assert.rejects(
    open({ dataDir: tempDir(t), listen: [{ port }, { port: taken }] }),
    withCode('EADDRINUSE', new RegExp(String(taken))),
  )
  await (await open({ dataDir: tempDir(t), listen: { port } })).close()
})

test('opening and closing leaves no descriptor behind', async (t) => {
  const dataDir = tempDir(t)
  const round = async (workers: number): Promise<void> => {
    const millrace = await open({ dataDir, workers, listen: { port: 0 } })
    await millrace
      .admin()
      .createTopics([{ name: `t${workers}`, partitions: 3 }])
      .catch(() => {})
    await millrace.close()
  }
  for (const workers of [0, 1]) {
    await round(workers)
    const before = readdirSync('/proc/self/fd').length
    for (let i = 0; i < 3; i++) await round(workers)
    const after = readdirSync('/proc/self/fd').length
    assert.ok(after <= before + 2, `${before} descriptors, then ${after} with ${workers} workers`)
  }
})

for (const workers of [0, 1, 2]) {
  test(`a process that opened, used and closed an engine ends by itself (workers: ${workers})`, async (t) => {
    const script = `
      import { open } from ${JSON.stringify(ENTRY)}
      const millrace = await open({ dataDir: process.argv[1], workers: ${workers}, listen: { port: 0 } })
      const producer = millrace.producer()
      await producer.send({ topic: 'a', value: 'b' })
      await millrace.close()
      console.log('closed')`
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script, tempDir(t)], ENDLESS)
    assert.equal(stdout.trim(), 'closed')
  })

  test(`an engine without listeners does not keep its process alive (workers: ${workers})`, async (t) => {
    const dataDir = tempDir(t)
    const script = `
      import { open } from ${JSON.stringify(ENTRY)}
      const millrace = await open({ dataDir: process.argv[1], workers: ${workers} })
      const producer = millrace.producer({ lingerMs: 0 })
      const { offset } = await producer.send({ topic: 'a', partition: 0, value: 'b' })
      console.log(offset)`
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script, dataDir], ENDLESS)
    assert.equal(stdout.trim(), '0')
    const again = await opened(t, { dataDir })
    assert.equal((await again.producer().send({ topic: 'a', partition: 0, value: 'c' })).offset, 1)
  })
}

test('closing twice is closing once, and a client of a closed engine fails at once', async (t) => {
  const millrace = await open({ dataDir: tempDir(t) })
  const producer = millrace.producer()
  await Promise.all([millrace.close(), millrace.close()])
  await assert.rejects(async () => producer.send({ topic: 'a', value: 'b' }))
})
