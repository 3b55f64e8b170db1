import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import {
  LocalCaller,
  Mailbox,
  MailboxError,
  type MailboxHandler,
  type MailboxHandlers,
  type MailboxPort,
  Transferred,
} from '../../src/threads/mailbox.js'

function handlers(table: Readonly<Record<string, (argument: never) => unknown>>): MailboxHandlers {
  return new Map<string, MailboxHandler>(Object.entries(table))
}

/** Two mailboxes over a real channel; `posts` counts the messages the first one posts. */
function pair(t: TestContext, there: MailboxHandlers, here: MailboxHandlers = new Map()) {
  const { port1, port2 } = new MessageChannel()
  t.after(() => port1.close())
  let posts = 0
  const counted: MailboxPort = {
    postMessage: (...args: Parameters<MessagePort['postMessage']>) => {
      posts++
      port1.postMessage(...args)
    },
    on: (event: 'message' | 'close' | 'exit', listener: (message: never) => void) => port1.on(event, listener as never),
  }
  return { mine: new Mailbox(counted, here), theirs: new Mailbox(port2, there), port1, port2, posts: () => posts }
}

const code = (expected: string) => (error: unknown) => error instanceof MailboxError && error.code === expected

test('a call resolves with what the handler returns, now or later', async (t) => {
  const { mine } = pair(t, handlers({ now: (n: number) => n + 1, later: async (n: number) => n + 2 }))
  assert.equal(await mine.call('now', 1), 2)
  assert.equal(await mine.call('later', 1), 3)
})

test('everything of one turn travels in one message, and arrives in order', async (t) => {
  const seen: number[] = []
  const { mine, posts } = pair(t, handlers({ see: (n: number) => seen.push(n), note: (n: number) => seen.push(n) }))
  const calls = Array.from({ length: 100 }, (_, i) => {
    if (i % 2) mine.notify('note', i)
    return i % 2 ? Promise.resolve() : mine.call<void>('see', i)
  })
  await Promise.all(calls)
  assert.equal(posts(), 1)
  assert.deepEqual(
    seen,
    Array.from({ length: 100 }, (_, i) => i),
  )
})

test('both ends may call each other at once', async (t) => {
  const { mine, theirs } = pair(t, handlers({ double: (n: number) => theirs.call('inc', n * 2) }), handlers({ inc: (n: number) => n + 1 }))
  assert.equal(await mine.call('double', 5), 11)
})

test('a handler that throws or rejects fails the call with its code', async (t) => {
  const { mine } = pair(
    t,
    handlers({
      throws: () => {
        throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
      },
      rejects: () => Promise.reject(new Error('plain')),
    }),
  )
  await assert.rejects(mine.call('throws', null), code('ENOSPC'))
  await assert.rejects(mine.call('rejects', null), code('ERR_MILLRACE_INTERNAL'))
  await assert.rejects(mine.call('unknown', null), code('ERR_MILLRACE_NO_HANDLER'))
})

test('a peer that closes fails every call that waits and every later one', async (t) => {
  const { mine, port2 } = pair(t, handlers({ never: () => new Promise(() => {}) }))
  const waiting = [mine.call('never', 1), mine.call('never', 2)]
  const failed = Promise.all(waiting.map((call) => assert.rejects(call, code('ERR_MILLRACE_WORKER_GONE'))))
  setImmediate(() => port2.close())
  await failed
  await assert.rejects(mine.call('never', 3), code('ERR_MILLRACE_WORKER_GONE'))
  mine.notify('never', 4)
})

test('a thread that dies fails its calls too', async () => {
  const worker = new Worker('require("node:worker_threads").parentPort.on("message", () => {})', { eval: true })
  const mailbox = new Mailbox(worker as unknown as MailboxPort, new Map())
  worker.on('exit', () => mailbox.fail('it ended'))
  const call = mailbox.call('anything', null)
  const failed = assert.rejects(call, code('ERR_MILLRACE_WORKER_GONE'))
  await worker.terminate()
  await failed
})

test('a port sent to a thread that is gone is closed, so that the other end hears of it', async (t) => {
  const { mine } = pair(t, new Map())
  mine.fail('gone')
  const { port1, port2 } = new MessageChannel()
  const closed = once(port1, 'close')
  port1.start()
  mine.notify('connect', { port: port2 }, [port2])
  await closed
})

test('a buffer that changes hands is not copied, in either direction', async (t) => {
  const { mine } = pair(t, handlers({ grow: (bytes: ArrayBuffer) => new Transferred(bytes, [bytes]) }))
  const buffer = new Uint8Array([1, 2, 3]).buffer
  const back = await mine.call<ArrayBuffer>('grow', buffer, [buffer])
  assert.equal(buffer.byteLength, 0)
  assert.deepEqual([...new Uint8Array(back)], [1, 2, 3])
})

test('a caller on the same thread behaves alike', async () => {
  const local = new LocalCaller(handlers({ add: (n: number) => n + 1, moved: () => new Transferred('value', []) }))
  assert.equal(await local.call('add', 1), 2)
  assert.equal(await local.call('moved', null), 'value')
  await assert.rejects(local.call('unknown', null), code('ERR_MILLRACE_NO_HANDLER'))
})
