import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyImage, type BrokerImage, type MetadataImage } from '../../src/controller/image.js'
import { LeaseCell } from '../../src/broker/lease-cell.js'
import { Lease } from '../../src/controller/lease.js'
import type { ClientState, MultiResult, ZnodeClient } from '../../src/ensemble/znode-client.js'
import type { Clock } from '../../src/env/env.js'
import { SimEnv } from '../support/sim-env.js'

const TIMEOUT = 3000
const SELF = 1
const EPOCH = 7n

/** A session as its ensemble sees it: heard of, late or not, and ended or not; transactions succeed while it has not ended. */
class Session {
  state: ClientState = 'connected'
  confirmedAt = 0
  ended = false
  transactions = 0
  /** Transactions wait for this before they are answered. */
  answer: Promise<void> = Promise.resolve()
  readonly client: ZnodeClient

  constructor() {
    const own = {
      mayActUntil: () => this.confirmedAt + (TIMEOUT * 2) / 3,
      multi: async (): Promise<MultiResult> => {
        this.transactions++
        const { ended } = this
        await this.answer
        if (ended) throw new Error('sessionExpired')
        return { zxid: BigInt(this.transactions), results: [] }
      },
    }
    this.client = new Proxy({} as ZnodeClient, {
      get: (_, name) => (name === 'state' ? this.state : own[name as keyof typeof own]),
    })
  }
}

class Fixture {
  readonly env = new SimEnv()
  /** Time that passed while the process stood still, its timers with it. */
  stopped = 0
  readonly clock: Clock = { now: () => this.env.clock.now(), monotonic: () => this.env.clock.monotonic() + this.stopped }
  session = new Session()
  until = -Infinity
  lost = 0
  reached: (zxid: bigint) => Promise<void> = () => Promise.resolve()
  settled: Promise<unknown> = Promise.resolve()
  brokerEpoch: bigint | null = EPOCH
  readonly lease: Lease
  #image: MetadataImage
  #listener: () => void = () => undefined

  constructor() {
    this.#image = withBroker({ epoch: EPOCH, fenced: false })
    const image = (): MetadataImage => this.#image
    this.lease = new Lease({
      env: { clock: this.clock, timers: this.env.timers, random: this.env.random, logger: this.env.logger },
      brokerId: SELF,
      view: {
        get image() {
          return image()
        },
        onChange: (listener) => {
          this.#listener = () => listener(0n, [])
          return () => undefined
        },
        reached: (zxid) => this.reached(zxid),
      },
      client: () => this.session.client,
      brokerEpoch: () => this.brokerEpoch,
      settled: () => this.settled,
      onDeadline: (until) => (this.until = until),
      onLost: () => this.lost++,
    })
  }

  registered(over: Partial<BrokerImage>): void {
    this.#image = withBroker(over)
    this.#listener()
  }

  /** The ensemble confirms at every `everyMs`. */
  async heard(ms: number, everyMs = 250): Promise<void> {
    for (let passed = 0; passed < ms; passed += everyMs) {
      this.session.confirmedAt = this.now
      await this.env.advance(everyMs)
    }
  }

  get now(): number {
    return this.clock.monotonic()
  }

  get isHeld(): boolean {
    return this.now < this.until
  }
}

function withBroker(over: Partial<BrokerImage>): MetadataImage {
  return { ...emptyImage('c'), brokers: new Map([[SELF, { id: SELF, ...over } as BrokerImage]]) }
}

test('a node that is heard of goes on without a transaction, and never past two thirds of its session timeout', async () => {
  const f = new Fixture()
  await f.heard(10_000)
  assert.equal(f.session.transactions, 1)
  assert.equal(f.lost, 0)
  assert.equal(f.isHeld, true)
  assert.ok(f.until <= f.session.confirmedAt + (TIMEOUT * 2) / 3)
})

test('not heard of, it stops by its own clock, before the ensemble can end the session', async () => {
  const f = new Fixture()
  await f.heard(1000)
  const { confirmedAt } = f.session
  await f.env.advance(confirmedAt + (TIMEOUT * 2) / 3 - f.now - 1)
  assert.equal(f.isHeld, true)
  await f.env.advance(1)
  assert.equal(f.isHeld, false)
  await f.env.advance(100)
  assert.deepEqual([f.until, f.lost], [-Infinity, 1])
})

test('heard of after the deadline it waits until a transaction sent after that has succeeded', async () => {
  const f = new Fixture()
  await f.heard(1000)
  await f.env.advance(2500)
  // The ensemble ended the session, and a touch that came after that was confirmed all the same.
  f.session.ended = true
  f.session.confirmedAt = f.now
  await f.env.advance(1000)
  assert.equal(f.isHeld, false)
  assert.ok(f.session.transactions > 1)
  f.session.ended = false
  f.session.confirmedAt = f.now
  await f.env.advance(100)
  assert.equal(f.isHeld, true)
})

test('a process that was stopped past its deadline finds it passed, also when it hears of the ensemble before its timers run', async () => {
  const f = new Fixture()
  const cell = new LeaseCell(f.clock)
  await f.heard(1000)
  cell.set(f.until)
  assert.equal(cell.isHeld(), true)
  f.stopped += 2600
  assert.equal(cell.isHeld(), false, 'a worker that goes on first')
  let answered = (): void => undefined
  f.session.answer = new Promise((resolve) => (answered = resolve))
  f.session.confirmedAt = f.now
  await f.env.advance(500)
  assert.deepEqual([f.isHeld, f.lost, f.session.transactions], [false, 1, 2])
  answered()
  await f.heard(250)
  assert.equal(f.isHeld, true)
})

test('it leads nothing before the image has what came before the proof, on every worker', async () => {
  const f = new Fixture()
  let reach = (): void => undefined
  let settle = (): void => undefined
  f.reached = () => new Promise((resolve) => (reach = resolve))
  f.settled = new Promise<void>((resolve) => (settle = resolve))
  await f.heard(500)
  assert.equal(f.isHeld, false)
  reach()
  await f.heard(500)
  assert.equal(f.isHeld, false)
  settle()
  await f.heard(250)
  assert.equal(f.isHeld, true)
})

test('a proof that took longer than its deadline is none, unless the ensemble was heard of in time all along', async () => {
  const f = new Fixture()
  let answered = (): void => undefined
  f.session.answer = new Promise((resolve) => (answered = resolve))
  await f.env.advance(2500)
  answered()
  await f.env.settle()
  assert.equal(f.isHeld, false)
  f.session.answer = new Promise((resolve) => (answered = resolve))
  await f.heard(2500)
  assert.equal(f.isHeld, false)
  answered()
  await f.env.settle()
  assert.equal(f.isHeld, true)
})

test('another session leads only once the controller has taken up the registration made on it', async () => {
  const f = new Fixture()
  await f.heard(1000)
  assert.equal(f.isHeld, true)
  f.session.state = 'expired'
  f.session = new Session()
  f.brokerEpoch = null
  await f.heard(1000)
  assert.equal(f.isHeld, false)
  f.brokerEpoch = 9n
  f.registered({ epoch: 9n, fenced: true })
  await f.heard(500)
  assert.equal(f.isHeld, false)
  f.registered({ epoch: 9n, fenced: false })
  await f.heard(250)
  assert.equal(f.isHeld, true)
})

test('a session that nobody can end from outside is held for ever, and no timer runs', async () => {
  const f = new Fixture()
  f.session.confirmedAt = Infinity
  await f.env.advance(100)
  assert.equal(f.until, Infinity)
  assert.equal(f.env.pendingTimers, 0)
})
