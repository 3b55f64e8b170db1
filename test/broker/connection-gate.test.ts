// Who may connect, decided in virtual time: places, addresses, rates, workers that end.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AdmissionLimits } from '../../src/broker/admission-limits.js'
import { ConnectionGate, MAX_WAITING } from '../../src/broker/connection-gate.js'
import { SimEnv } from '../support/sim-env.js'

const NONE = 0x7fffffff
const NO_LIMITS: AdmissionLimits = { max: NONE, perAddress: NONE, overrides: new Map(), rate: NONE, burstSeconds: 1, listeners: new Map() }

function start(limits: Partial<AdmissionLimits>) {
  const env = new SimEnv()
  const now = { ...NO_LIMITS, ...limits }
  const shed: [worker: number, count: number][] = []
  const gate = new ConnectionGate({ env, limits: () => now, shed: (worker, count) => shed.push([worker, count]) })
  /** Asks; the answer appears in the array when it is there. */
  const ask = (worker = 0, listener = 'A', address = '10.0.0.1'): boolean[] => {
    const answers: boolean[] = []
    void gate.ask({ worker, listener, address }).then((granted) => answers.push(granted))
    return answers
  }
  const change = (next: Partial<AdmissionLimits>): void => {
    Object.assign(now, next)
    gate.reconfigure()
  }
  return { env, gate, ask, shed, change }
}

const at = (worker: number, listener = 'A', address = '10.0.0.1') => ({ worker, listener, address })

test('over max.connections a connection waits, whichever worker it came to, and the oldest gets the place that comes free', async () => {
  const { env, gate, ask } = start({ max: 2 })
  gate.opened(at(0))
  const [second, third, fourth] = [ask(1), ask(0), ask(1)]
  await env.settle()
  assert.deepEqual([second, third, fourth], [[true], [], []])
  gate.closed(at(0))
  await env.settle()
  assert.deepEqual([third, fourth], [[true], []])
  assert.equal(gate.count, 2)
})

test('over its address its connection is closed at once; an override holds instead of the default', async () => {
  const { env, gate, ask } = start({ perAddress: 1, overrides: new Map([['10.0.0.9', 2]]) })
  const answers = ['10.0.0.1', '10.0.0.1', '10.0.0.9', '10.0.0.9', '10.0.0.9'].map((address) => ask(0, 'A', address))
  await env.settle()
  assert.deepEqual(answers.flat(), [true, false, true, true, false])
  assert.equal(gate.count, 3)
})

test('a rate lets its burst through, then one after the other in time', async () => {
  const { env, ask } = start({ rate: 2, burstSeconds: 2 })
  const asked = Array.from({ length: 6 }, () => ask())
  const granted = (): number => asked.flat().length
  await env.settle()
  assert.equal(granted(), 4)
  await env.advance(499)
  assert.equal(granted(), 4)
  await env.advance(2)
  assert.equal(granted(), 5)
  await env.advance(500)
  assert.equal(granted(), 6)
})

test('a full listener keeps its own waiting, not those of another', async () => {
  const { env, ask } = start({
    listeners: new Map([
      ['A', { max: 1, rate: NONE }],
      ['B', { max: NONE, rate: NONE }],
    ]),
  })
  const answers = [ask(0, 'A'), ask(0, 'A'), ask(0, 'B')]
  await env.settle()
  assert.deepEqual(answers, [[true], [], [true]])
})

test('the connections of a worker that ended count no more, and what it asked for is forgotten', async () => {
  const { env, gate, ask } = start({ max: 2 })
  gate.opened(at(0))
  gate.opened(at(0, 'B', '::1'))
  const lost = ask(0)
  const other = ask(1)
  gate.workerGone(0)
  await env.settle()
  assert.deepEqual([lost, other], [[], [true]])
  assert.equal(gate.count, 1)
})

test('max.connections lowered: the workers with most connections close the excess; raised: who waits gets in', async () => {
  const { env, gate, ask, shed, change } = start({})
  for (let i = 0; i < 5; i++) gate.opened(at(0))
  gate.opened(at(1))
  change({ max: 3 })
  assert.deepEqual(shed, [[0, 3]])
  const waits = ask(1)
  await env.settle()
  assert.deepEqual(waits, [])
  change({ max: 7 })
  await env.settle()
  assert.deepEqual(waits, [true])
})

test('so many may wait and no more', async () => {
  const { env, ask } = start({ max: 0 })
  const asked = Array.from({ length: MAX_WAITING + 1 }, () => ask())
  await env.settle()
  assert.deepEqual(asked.flat(), [false])
})
