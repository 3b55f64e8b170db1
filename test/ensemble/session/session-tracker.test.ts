import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SessionTracker } from '../../../src/ensemble/session/session-tracker.js'
import { seededRandom } from '../../support/sim-env.js'

test('a session expires after its timeout without a touch, never before, and at most a tick later', () => {
  const tick = 500
  for (let seed = 1; seed <= 50; seed++) {
    const random = seededRandom(seed)
    let now = random.next() * 10_000
    const tracker = new SessionTracker(tick, now)
    const heard = new Map<bigint, { at: number; timeout: number }>()
    for (let step = 0; step < 400; step++) {
      now += random.next() * tick
      const id = BigInt(Math.floor(random.next() * 20))
      if (!heard.has(id)) {
        const timeout = Math.floor(1000 + random.next() * 4000)
        tracker.add(id, timeout, now)
        heard.set(id, { at: now, timeout })
      } else {
        assert.equal(tracker.touch(id, now), true)
        heard.get(id)!.at = now
      }
      for (const expired of tracker.expire(now)) {
        const { at, timeout } = heard.get(expired)!
        assert.ok(now - at > timeout, `seed ${seed}: ${now - at} ms after a touch, timeout ${timeout}`)
        heard.delete(expired)
        assert.equal(tracker.touch(expired, now), false)
      }
      for (const { at, timeout } of heard.values()) assert.ok(now - at <= timeout + 2 * tick, `seed ${seed}: not expired in time`)
    }
  }
})

test('a session taken off does not expire, and one without a timeout is not tracked', () => {
  const tracker = new SessionTracker(100, 0)
  tracker.add(1n, 200, 0)
  tracker.add(2n, 0, 0)
  tracker.remove(1n)
  assert.deepEqual([tracker.expire(10_000), tracker.size], [[], 0])
})

test('an old touch does not shorten what a newer one gave', () => {
  const tracker = new SessionTracker(100, 0)
  tracker.add(1n, 1000, 500)
  tracker.touch(1n, 100)
  assert.deepEqual(tracker.expire(1500), [])
  assert.deepEqual(tracker.expire(1700), [1n])
})
