import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LinkStatus } from '../../src/link/door.js'
import { ask, askLong, dial, linkNode, part, peerIs, text } from '../support/links.js'

const ECHO = 1
const code = (expected: string) => (error: unknown) => (error as { code?: string }).code === expected

test('parts of one call reach their owners, and what nobody here has is answered so', async (t) => {
  const [a, b] = [await linkNode(t, 1), await linkNode(t, 2)]
  b.worker.handle(ECHO, (peer, parts, answer) => parts.forEach(({ body }, i) => answer(i, Buffer.from(`worker to ${peer}: ${text(body)}`))))
  b.link.door.handle(ECHO, (_, parts, answer) =>
    parts.forEach(({ body }, i) => answer(i, Buffer.concat([Buffer.from('coordinator: '), body]))),
  )
  await dial(a, b, 2)
  const unknown = 'BBBBBBBBBBBBBBBBBBBBBQ'
  const answers = await ask(a.worker, 2, ECHO, [
    part('one'),
    part('two', 0, null),
    part('three', 7),
    part('four', 0, unknown),
    part('five'),
  ])
  assert.deepEqual(
    answers.map(({ body, status }) => [status, text(body)]),
    [
      [LinkStatus.ok, 'worker to 1: one'],
      [LinkStatus.ok, 'coordinator: two'],
      [LinkStatus.notHere, ''],
      [LinkStatus.notHere, ''],
      [LinkStatus.ok, 'worker to 1: five'],
    ],
  )
})

test('a part that waits does not hold the others of its call', async (t) => {
  const [a, b] = [await linkNode(t, 1), await linkNode(t, 2)]
  let finish: () => void = () => {}
  b.worker.handle(ECHO, (_, parts, answer) => {
    finish = () => answer(0, parts[0]!.body)
    answer(1, parts[1]!.body)
  })
  await dial(a, b, 2)
  const order: number[] = []
  const seen = new Promise<void>((resolve) => {
    const call = a.worker.call(
      2,
      ECHO,
      [part('slow'), part('quick')],
      (index) => {
        order.push(index)
        if (index === 1) finish()
      },
      10_000,
    )
    call.then(resolve, (error: unknown) => assert.fail(error as Error))
  })
  await seen
  assert.deepEqual(order, [1, 0])
})

test('a call fails at once without a link, and in its time without an answer', async (t) => {
  const [a, b] = [await linkNode(t, 1), await linkNode(t, 2)]
  await assert.rejects(ask(a.worker, 2, ECHO, [part('x')]), code('ERR_MILLRACE_LINK_DOWN'))
  b.worker.handle(ECHO, () => {})
  b.worker.handle(2, (_, __, answer) => answer(0, Buffer.from('here')))
  await dial(a, b, 2)
  await assert.rejects(ask(a.worker, 2, ECHO, [part('x')], 50), code('ERR_MILLRACE_LINK_TIMEOUT'))
  await ask(a.worker, 2, 2, [part('behind it')])
  const stats = await b.link.stats()
  assert.equal(stats?.open, 0, 'the peer forgot the call that was given up')
})

test('a kind without a handler, and a handler that throws, are answered failed', async (t) => {
  const [a, b] = [await linkNode(t, 1), await linkNode(t, 2)]
  b.worker.handle(2, (_, __, answer) => {
    answer(0, Buffer.from('first'))
    throw new Error('a bug')
  })
  await dial(a, b, 2)
  assert.deepEqual((await ask(a.worker, 2, ECHO, [part('x')]))[0]?.status, LinkStatus.failed)
  const answers = await ask(a.worker, 2, 2, [part('x'), part('y')])
  assert.deepEqual(
    answers.map((one) => one.status),
    [LinkStatus.ok, LinkStatus.failed],
  )
})

test('bodies of every size come whole, both ways', async (t) => {
  const [a, b] = [await linkNode(t, 1), await linkNode(t, 2)]
  b.worker.handle(ECHO, (_, parts, answer) => parts.forEach(({ body }, i) => answer(i, body)))
  await dial(a, b, 2)
  const sizes = [0, 1, 4095, 4096, 16384, 16385, 262144, 262145, 1 << 20, 20 << 20]
  const bodies = sizes.map((size) => Buffer.alloc(size, `${size} `))
  const answers = await ask(
    a.worker,
    2,
    ECHO,
    bodies.map((body) => part(body)),
  )
  for (const [i, body] of bodies.entries()) assert.ok(body.equals(answers[i]!.body), `a body of ${sizes[i]} bytes`)
})

test('long answers are read from the socket into memory of this link that the thread sees, short ones are copied', async (t) => {
  const [a, b] = [await linkNode(t, 1), await linkNode(t, 2)]
  b.worker.handle(ECHO, (_, parts, answer) => parts.forEach(({ body }, i) => answer(i, body)))
  await dial(a, b, 2)
  const { long, short } = await askLong(a.worker, 2, ECHO)
  assert.equal(short.size, 1)
  const [ring, ...others] = [...long].filter((buffer) => !short.has(buffer))
  assert.ok(ring instanceof SharedArrayBuffer)
  assert.deepEqual([others.length, long.size], [0, 1], 'long answers were copied')
})

test('more bodies at once than the memory between threads holds come whole, and a read that fails can be answered otherwise', async (t) => {
  const [a, b] = [await linkNode(t, 1), await linkNode(t, 2)]
  const LENGTH = 200_000
  b.worker.handle(ECHO, (_, parts, answer) =>
    parts.forEach(({ body }, i) => {
      const value = body[0]!
      const broken = {
        length: LENGTH,
        write: (): void => {
          throw new Error('a read failed')
        },
      }
      assert.throws(() => answer(i, broken), /a read failed/)
      answer(i, { length: LENGTH, write: (target, at) => void target.fill(value, at, at + LENGTH) })
    }),
  )
  await dial(a, b, 2)
  const answers = await ask(
    a.worker,
    2,
    ECHO,
    Array.from({ length: 60 }, (_, i) => part(Uint8Array.of(i))),
  )
  for (const [i, { body }] of answers.entries()) assert.ok(body.length === LENGTH && body.every((byte) => byte === i), `answer ${i}`)
})

test('nodes of link versions 1 and 2 work together, whoever dials', async (t) => {
  const bodies = [100, 70_000, 600_000, 3 << 20].map((size) => Buffer.alloc(size, `${size} `))
  for (const [dialer, server] of [
    [1, 2],
    [2, 1],
    [2, 2],
  ] as const) {
    const a = await linkNode(t, 1, { settings: { maxVersion: dialer } })
    const b = await linkNode(t, 2, { settings: { maxVersion: server } })
    b.worker.handle(ECHO, (_, parts, answer) =>
      parts.forEach((_part, i) => {
        const { length } = bodies[i]!
        answer(i, { length, selfChecked: length - 50, write: (target, at) => target.set(bodies[i]!, at) })
      }),
    )
    await dial(a, b, 2)
    const parts = bodies.map((body) => part(body.subarray(0, 1)))
    const answers = await ask(a.worker, 2, ECHO, parts)
    for (const [i, body] of bodies.entries()) assert.ok(body.equals(answers[i]!.body), `${dialer} to ${server}, ${body.length} bytes`)
  }
})

test('ten thousand small calls at once are all answered, each with its own', async (t) => {
  const [a, b] = [await linkNode(t, 1), await linkNode(t, 2)]
  b.worker.handle(ECHO, (_, parts, answer) => parts.forEach(({ body }, i) => answer(i, body)))
  await dial(a, b, 2)
  const results = await Promise.all(Array.from({ length: 10_000 }, (_, i) => ask(a.worker, 2, ECHO, [part(`${i}`)])))
  assert.ok(results.every(([answer], i) => text(answer!.body) === `${i}`))
  await assert.rejects(Promise.all(Array.from({ length: 10_100 }, () => ask(a.worker, 2, 99, [part('x')]))), code('ERR_MILLRACE_LINK_BUSY'))
})

test('the link thread ends as by a bug: calls fail, another takes its port and place, peers and doors come back', async (t) => {
  const [a, b] = [await linkNode(t, 1), await linkNode(t, 2)]
  b.worker.handle(ECHO, (_, parts, answer) => answer(0, parts[0]!.body))
  await dial(a, b, 2)
  const port = b.link.port
  b.link.fail()
  await peerIs(a.worker, 2, false)
  await peerIs(a.worker, 2, true)
  assert.equal(b.link.port, port)
  assert.equal(text((await ask(a.worker, 2, ECHO, [part('again')]))[0]!.body), 'again')
  a.link.fail()
  await peerIs(a.worker, 2, false)
  await peerIs(a.worker, 2, true)
  assert.equal(text((await ask(a.worker, 2, ECHO, [part('once more')]))[0]!.body), 'once more')
})
