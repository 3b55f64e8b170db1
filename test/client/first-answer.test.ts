// Who is asked when, and whose answer counts.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { firstAnswer } from '../../src/client/cluster/first-answer.js'
import { SimEnv } from '../support/sim-env.js'

type Does = 'answers' | 'fails' | 'is silent'

/** Whom `firstAnswer` asks, and what comes of it within ten seconds. */
async function asking(...does: readonly Does[]): Promise<{ readonly asked: readonly number[]; readonly result: string }> {
  const env = new SimEnv()
  const asked: number[] = []
  let result = 'nothing'
  const ask = (candidate: number): Promise<string> => {
    asked.push(candidate)
    if (does[candidate] === 'is silent') return new Promise(() => undefined)
    return does[candidate] === 'answers' ? Promise.resolve(`answer of ${candidate}`) : Promise.reject(new Error(`error of ${candidate}`))
  }
  void firstAnswer([...does.keys()], env.timers, ask).then(
    (answer) => (result = answer),
    (error: Error) => (result = error.message),
  )
  for (let i = 0; i < 20; i++) await env.advance(500)
  return { asked, result }
}

test('the first that answers counts; after one that fails the next is asked, and nobody after an answer', async () => {
  assert.deepEqual(await asking('answers', 'answers'), { asked: [0], result: 'answer of 0' })
  assert.deepEqual(await asking('fails', 'answers', 'answers'), { asked: [0, 1], result: 'answer of 1' })
})

test('one that is silent keeps nobody from being asked', async () => {
  assert.deepEqual(await asking('is silent', 'is silent', 'answers', 'answers'), { asked: [0, 1, 2], result: 'answer of 2' })
})

test('it fails with the last error when all have failed, and waits for the silent ones', async () => {
  assert.deepEqual(await asking('fails', 'fails'), { asked: [0, 1], result: 'error of 1' })
  assert.deepEqual(await asking('is silent', 'fails'), { asked: [0, 1], result: 'nothing' })
})
