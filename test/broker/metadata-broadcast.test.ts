import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MetadataBroadcast } from '../../src/broker/metadata-broadcast.js'
import type { MetadataImage } from '../../src/controller/image.js'
import type { Caller } from '../../src/threads/mailbox.js'
import { SimEnv } from '../support/sim-env.js'

interface Update {
  readonly delta: { readonly zxid: bigint }
  readonly open: readonly string[]
}

function setUp(workers: number) {
  const taken: [worker: number, zxid: bigint, open: readonly string[]][] = []
  const answers: { resolve(): void; reject(error: Error): void }[] = []
  const callers = Array.from({ length: workers }, (_, worker) => ({
    call: (_method: string, { delta, open }: Update) => {
      taken.push([worker, delta.zxid, open])
      return new Promise<void>((resolve, reject) => answers.push({ resolve, reject }))
    },
  }))
  const followed: number[] = []
  const broadcast = new MetadataBroadcast({
    logger: new SimEnv().logger,
    hosting: {
      follow: () => ({ placement: [], open: callers.map((_, worker) => [`of ${worker}`]), drop: callers.map(() => []) }) as never,
    },
    image: () => ({}) as MetadataImage,
    callers: () => callers as unknown as Caller[],
    followed: (changes) => followed.push(changes.length),
  })
  return { broadcast, taken, answers, followed }
}

test('what changes before the workers have opened their partitions comes after that, in order, to each its own', () => {
  const { broadcast, taken, followed } = setUp(2)
  broadcast.hear(1n, [])
  broadcast.hear(2n, [])
  assert.deepEqual(taken, [])
  broadcast.begin()
  broadcast.hear(3n, [])
  assert.deepEqual(
    taken,
    [1n, 2n, 3n].flatMap((zxid) => [
      [0, zxid, ['of 0']],
      [1, zxid, ['of 1']],
    ]),
  )
  assert.deepEqual(followed, [0, 0, 0])
})

test('a change is settled when every worker has it, or is gone', async () => {
  const { broadcast, answers } = setUp(2)
  broadcast.begin()
  broadcast.hear(1n, [])
  let settled = false
  const whole = broadcast.settled.then(() => (settled = true))
  answers[0]!.resolve()
  await Promise.resolve()
  assert.equal(settled, false)
  answers[1]!.reject(new Error('a test'))
  await whole
})

test('what changes while the node stops is for nobody', () => {
  const { broadcast, taken, followed } = setUp(1)
  broadcast.begin()
  broadcast.end()
  broadcast.hear(1n, [])
  assert.deepEqual([taken, followed], [[], []])
})
