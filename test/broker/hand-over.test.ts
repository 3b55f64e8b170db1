import assert from 'node:assert/strict'
import { test } from 'node:test'
import { handOver, type HandOverOptions } from '../../src/broker/hand-over.js'
import { errors } from '../../src/model/errors.js'
import { SimEnv } from '../support/sim-env.js'

type Answer = { errorCode: number; errorMessage: null; remaining: number }

/** A node that leads something, beside one other; `answer` is what the controller says to each ask. */
function stopping(env: SimEnv, answer: (ask: number) => Answer | Error) {
  const listeners = new Set<() => void>()
  const brokers = new Map([1, 2].map((id) => [id, { id, alive: true, state: 'running' }]))
  const topics = new Map([['t', { partitions: [{ leader: 1, replicas: [1, 2] }] }]])
  let asks = 0
  const on = (listener: () => void): (() => void) => {
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }
  const client = { state: 'connected', onState: on }
  const control = {
    registration: { epoch: 7n },
    view: { image: { brokers, topics }, onChange: on },
    client,
    api: {
      controlledShutdown: async (): Promise<Answer> => {
        const said = answer(++asks)
        if (said instanceof Error) throw said
        return said
      },
    },
  }
  const done = handOver({ env, nodeId: 1, control: control as unknown as HandOverOptions['control'] })
  const tell = (change: () => void): void => {
    change()
    for (const listener of listeners) listener()
  }
  return { done, tell, client, brokers, asks: () => asks }
}

const left = (remaining: number): Answer => ({ errorCode: errors.NONE.code, errorMessage: null, remaining })
const loud = (env: SimEnv): object[] => env.lines.filter(({ level }) => level === 'warn' || level === 'error')

test('a controller that loses the ensemble while it is asked is asked again', async () => {
  const env = new SimEnv()
  const node = stopping(env, (ask) => (ask < 3 ? new Error('connectionLoss') : left(0)))
  await env.advance(1000)
  await node.done
  assert.equal(node.asks(), 3)
  assert.deepEqual(loud(env), [])
})

test('nodes that all stop at once warn of nothing', async () => {
  const env = new SimEnv()
  const node = stopping(env, () => left(1))
  await env.advance(500)
  node.tell(() => node.brokers.delete(2))
  await env.advance(200)
  await node.done
  assert.deepEqual(loud(env), [])
})

test('without a majority of the ensemble nothing is waited for, and nothing warned of', async () => {
  const env = new SimEnv()
  const node = stopping(env, () => new Error('connectionLoss'))
  node.tell(() => (node.client.state = 'suspended'))
  await env.advance(2000)
  await node.done
  assert.deepEqual(loud(env), [])
})

test('a node whose partitions others could take, and do not in time, says so', async () => {
  const env = new SimEnv()
  const node = stopping(env, () => left(1))
  await env.advance(11_000)
  await node.done
  assert.equal(loud(env).length, 1)
})
