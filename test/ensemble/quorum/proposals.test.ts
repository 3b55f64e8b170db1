import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Proposals } from '../../../src/ensemble/quorum/proposals.js'
import { SimEnv } from '../../support/sim-env.js'

/** Proposals and what became of them, by the first byte of each. */
function waiting() {
  const env = new SimEnv()
  const proposed: number[][] = []
  const may = { propose: true }
  const proposals = new Proposals({
    env,
    propose: (some) => {
      if (may.propose) proposed.push(some.map(({ payload }) => payload[0]!))
      return may.propose
    },
  })
  const push = (...ids: number[]): void => {
    for (const id of ids) proposals.push({ payload: Buffer.of(id), origin: null })
  }
  return { env, proposals, proposed, may, push }
}

test('what one turn brings is one proposal', async () => {
  const { env, proposed, push } = waiting()
  push(1, 2)
  push(3)
  assert.deepEqual(proposed, [])
  await env.settle()
  assert.deepEqual(proposed, [[1, 2, 3]])
})

test('while a write is under way others wait and share the next', async () => {
  const { env, proposals, proposed, push } = waiting()
  const wrote = proposals.writing(1)
  push(1)
  await env.settle()
  push(2)
  await env.settle()
  assert.deepEqual(proposed, [])
  wrote()
  proposals.look()
  assert.deepEqual(proposed, [[1, 2]])
})

test('those that can have no place wait on, in their order, and those of a leader that is none any more are dropped', async () => {
  const { env, proposals, proposed, may, push } = waiting()
  may.propose = false
  push(1)
  await env.settle()
  push(2)
  await env.settle()
  may.propose = true
  proposals.look()
  assert.deepEqual(proposed, [[1, 2]])
  may.propose = false
  push(3)
  await env.settle()
  proposals.drop()
  may.propose = true
  proposals.look()
  assert.deepEqual(proposed, [[1, 2]])
})

test('behind a slow write they wait a little for those whom it answered, and no longer once all are there', async () => {
  const { env, proposals, proposed, push } = waiting()
  const slowWrite = async (entries: number): Promise<void> => {
    const wrote = proposals.writing(entries)
    await env.advance(10)
    wrote()
    proposals.look()
  }
  await slowWrite(3)
  push(1)
  await env.settle()
  assert.deepEqual(proposed, [], 'two more may come')
  push(2, 3)
  await env.settle()
  assert.deepEqual(proposed, [[1, 2, 3]])
  await slowWrite(2)
  push(4)
  await env.advance(5)
  assert.deepEqual(proposed.at(-1), [4], 'the second one did not come in time')
})

test('a member that closes waits for nothing more', async () => {
  const { env, proposals, proposed, push } = waiting()
  const wrote = proposals.writing(3)
  await env.advance(10)
  wrote()
  proposals.close()
  push(1)
  await env.settle()
  assert.deepEqual(proposed, [[1]])
})
