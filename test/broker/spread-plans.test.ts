// A fetch of what two workers own: it waits without questions, hears of news once, and from whoever has them.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KEPT_LOOK_LIFE_MS } from '../../src/broker/kept-looks.js'
import { PartitionService } from '../../src/broker/partition-service.js'
import type { SpreadPlans } from '../../src/broker/spread-plans.js'
import type { ReadPlan } from '../../src/log/types.js'
import { errors } from '../../src/model/errors.js'
import { failedFetch, type FetchItem, type FetchOutcome, type FetchReader } from '../../src/replica/fetch-plan.js'
import type { ReplicaManager } from '../../src/replica/replica-manager.js'
import { type Caller, LocalCaller } from '../../src/threads/mailbox.js'
import { SimEnv } from '../support/sim-env.js'

const READER: FetchReader = { readCommitted: false, rackId: null, rackAware: false }

const ITEMS: readonly FetchItem[] = [0, 1, 2, 3].map((partition) => ({
  topic: 't',
  partition,
  fetchOffset: 0,
  maxBytes: 1000,
  currentLeaderEpoch: -1,
  lastFetchedEpoch: -1,
}))
const CONNECTION: object = {}

interface Asked {
  readonly connection?: object
  readonly items?: readonly FetchItem[]
  readonly reader?: FetchReader
  readonly maxBytes?: number
}

/** A partition that has `size` bytes, each a record. */
class FakePartition {
  size = 0
  readonly watchers = new Set<() => void>()

  planFetch({ fetchOffset }: FetchItem): FetchOutcome {
    const size = this.size - fetchOffset
    const plan = size > 0 ? ({ size } as ReadPlan) : null
    return { ...failedFetch(0), highWatermark: this.size, plan }
  }

  watch(wake: () => void): () => void {
    this.watchers.add(wake)
    return () => this.watchers.delete(wake)
  }

  grow(bytes: number): void {
    this.size += bytes
    for (const wake of Array.from(this.watchers)) wake()
  }
}

/** Worker 0 holds the connection and owns partition 0 and 2, worker 1 owns 1 and 3. */
class TwoWorkers {
  readonly partitions = [0, 1, 2, 3].map(() => new FakePartition())
  /** What the other worker was asked, and told of. */
  readonly calls: string[] = []
  /** News of the other worker after which it went on. */
  told = 0
  readonly env = new SimEnv()
  private readonly asking: PartitionService
  private readonly services: PartitionService[]
  private gone: ((error: Error) => void)[] = []
  private other: Caller | undefined

  constructor() {
    const services: PartitionService[] = []
    const service = (worker: number): PartitionService =>
      new PartitionService({
        env: this.env,
        worker,
        replicas: {
          find: (_topic: string, partition: number) => (partition % 2 === worker ? this.partitions[partition] : undefined),
          missingCode: () => errors.NOT_LEADER_OR_FOLLOWER.code,
        } as unknown as ReplicaManager,
        placement: () => new Map(['t', 'u'].map((topic) => [topic, Int16Array.of(0, 1, 0, 1)])),
        peer: () => this.other,
        lane: () => undefined,
        peers: () => [1 - worker],
        maxForwardedBytes: () => 1,
      })
    services.push(service(0), service(1))
    this.services = services
    this.asking = services[0]!
    this.other = this.toOther()
  }

  private toOther(): Caller {
    const back = new LocalCaller(new Map(this.services[0]!.handlers()))
    const looks = this.services[1]!.watchedLooks((news) => {
      this.told++
      back.notify('told', news)
    })
    const other = new LocalCaller(new Map(looks.handlers()))
    return {
      call: <Result>(method: string, argument: unknown) => {
        this.calls.push(method)
        return Promise.race([other.call<Result>(method, argument), new Promise<Result>((_, reject) => this.gone.push(reject))])
      },
      notify: (method, argument) => {
        this.calls.push(method)
        other.notify(method, argument)
      },
    }
  }

  plans(minBytes: number, { connection, items = ITEMS, reader = READER, maxBytes = 1000 }: Asked = {}): SpreadPlans {
    return this.asking.spreadPlans(items, reader, maxBytes, minBytes, connection)
  }

  keep(plans: SpreadPlans, connection = CONNECTION): void {
    this.asking.keepLooks(plans, connection)
  }

  /** A fetch that waits until partition 0 has something, and is answered with that. */
  async answeredHere(connection = CONNECTION): Promise<void> {
    const plans = this.plans(1, { connection })
    await plans.look()
    this.partitions[0]!.grow(1)
    await turn()
    assert.equal(sizes(plans)[0], 1)
    this.keep(plans, connection)
    this.partitions[0]!.size = 0
  }

  loseOther(): void {
    this.other = undefined
    for (const reject of this.gone) reject(new Error('gone'))
  }

  /** Another thread with the same partitions. What the one before watched went with it; nobody has heard of that yet. */
  replaceOther(): void {
    for (const partition of [1, 3]) this.partitions[partition]!.watchers.clear()
    this.other = this.toOther()
  }

  get watched(): number[] {
    return this.partitions.map(({ watchers }) => watchers.size)
  }
}

const turn = (): Promise<void> => new Promise(setImmediate)
const sizes = ({ outcomes }: SpreadPlans): number[] => outcomes.map(({ plan }) => plan?.size ?? 0)
const errorCodes = ({ outcomes }: SpreadPlans): number[] => outcomes.map(({ errorCode }) => errorCode)

/** What there was when news came; the first are enough. */
function newsOf(plans: SpreadPlans, see: (plans: SpreadPlans) => number[]): number[][] {
  const seen: number[][] = []
  plans.onNews = () => {
    seen.push(see(plans))
    plans.stop()
  }
  return seen
}

/** Both partitions of the other worker grow in one turn: it tells that once, unasked, and watches until it hears that nobody waits any more. */
async function assertNewsOfBoth(workers: TwoWorkers, plans: SpreadPlans): Promise<void> {
  const seen = newsOf(plans, sizes)
  workers.partitions[1]!.grow(5)
  workers.partitions[3]!.grow(7)
  await turn()
  assert.deepEqual(seen, [[0, 5, 0, 7]])
  assert.deepEqual(workers.calls, ['look', 'news', 'unwatch'])
  assert.deepEqual(workers.watched, [0, 0, 0, 0])
}

test('what another worker has by now comes by itself, once, with all that a turn wrote', async () => {
  const workers = new TwoWorkers()
  const plans = workers.plans(1)
  await plans.look()
  assert.deepEqual(sizes(plans), [0, 0, 0, 0])
  assert.deepEqual(workers.watched, [1, 1, 1, 1])
  await assertNewsOfBoth(workers, plans)
})

test('what this worker has itself asks nobody; the other is told that nobody waits any more', async () => {
  const workers = new TwoWorkers()
  const plans = workers.plans(1)
  await plans.look()
  const seen = newsOf(plans, sizes)
  workers.partitions[0]!.grow(3)
  workers.partitions[2]!.grow(4)
  await turn()
  assert.deepEqual(seen, [[3, 0, 4, 0]])
  assert.deepEqual(workers.calls, ['look', 'news', 'unwatch'])
  assert.deepEqual(workers.watched, [0, 0, 0, 0])
})

test('who has enough at the first look has what follows watched until it stops, and who does not wait has nobody watch', async () => {
  const workers = new TwoWorkers()
  workers.partitions[3]!.size = 9
  const plans = workers.plans(1)
  await plans.look()
  assert.deepEqual(sizes(plans), [0, 0, 0, 9])
  assert.deepEqual(workers.watched, [1, 1, 1, 1])
  plans.stop()
  assert.deepEqual(workers.calls, ['look', 'news', 'unwatch'])
  workers.partitions[3]!.size = 0
  const patient = workers.plans(0)
  await patient.look()
  assert.deepEqual(workers.watched, [0, 0, 0, 0])
})

test('less than what is wanted is told, and watched on: no move is lost, and none is asked for', async () => {
  const workers = new TwoWorkers()
  const plans = workers.plans(100)
  await plans.look()
  let told = 0
  plans.onNews = () => told++
  for (let bytes = 10; bytes <= 90; bytes += 10) {
    workers.partitions[1]!.grow(10)
    await turn()
    await turn()
    assert.deepEqual(sizes(plans), [0, bytes, 0, 0])
    assert.equal(workers.watched[1], 1)
  }
  const before = workers.calls.length
  await turn()
  assert.equal(workers.calls.length, before)
  workers.partitions[0]!.grow(10)
  await turn()
  assert.deepEqual(sizes(plans), [10, 90, 0, 0])
  assert.ok(told >= 10)
  plans.stop()
  await turn()
  assert.deepEqual(workers.watched, [0, 0, 0, 0])
})

test('a worker that goes while a fetch waits is news: its partitions have no leader here', async () => {
  const workers = new TwoWorkers()
  const plans = workers.plans(1)
  await plans.look()
  const seen = newsOf(plans, errorCodes)
  workers.loseOther()
  await turn()
  const { code } = errors.NOT_LEADER_OR_FOLLOWER
  assert.deepEqual(seen, [[0, code, 0, code]])
  const late = workers.plans(1)
  await late.look()
  assert.deepEqual(errorCodes(late), [0, code, 0, code])
  late.stop()
})

test('the next fetch of a connection that asks the other worker just the same sends it nothing, and hears of news', async () => {
  const workers = new TwoWorkers()
  for (let i = 0; i < 3; i++) {
    await workers.answeredHere()
    assert.deepEqual(workers.calls, ['look', 'news'])
    assert.deepEqual(workers.watched, [0, 1, 0, 1])
  }
  const plans = workers.plans(1, { connection: CONNECTION })
  await plans.look()
  assert.deepEqual(sizes(plans), [0, 0, 0, 0])
  await assertNewsOfBoth(workers, plans)
})

test('news between two fetches count for the second at once, and not for the third', async () => {
  const workers = new TwoWorkers()
  const first = workers.plans(1, { connection: CONNECTION })
  await first.look()
  workers.keep(first)
  first.onNews = () => assert.fail('it is answered')
  workers.partitions[3]!.grow(7)
  await turn()
  assert.deepEqual(sizes(first), [0, 0, 0, 0])
  const second = workers.plans(1, { connection: CONNECTION })
  await second.look()
  assert.deepEqual(sizes(second), [0, 0, 0, 7])
  workers.keep(second)
  assert.deepEqual(workers.calls, ['look', 'news'])
  // From the same place once more.
  workers.partitions[3]!.size = 0
  const third = workers.plans(1, { connection: CONNECTION })
  await third.look()
  assert.deepEqual(sizes(third), [0, 0, 0, 0])
  assert.deepEqual(workers.calls, ['look', 'news', 'unwatch', 'look', 'news'])
})

/** As a consumer asks that has taken all that was there. */
const from = (...offsets: number[]): FetchItem[] => ITEMS.map((item, i) => ({ ...item, fetchOffset: offsets[i]! }))

test('a consumer that takes all it is told hears of more without a question', async () => {
  const workers = new TwoWorkers()
  for (let round = 0; round < 5; round++) {
    const plans = workers.plans(1, { connection: CONNECTION, items: from(0, 5 * round, 0, 7 * round) })
    await plans.look()
    assert.deepEqual(sizes(plans), [0, 0, 0, 0])
    const seen: number[][] = []
    plans.onNews = () => {
      seen.push(sizes(plans))
      workers.keep(plans)
    }
    workers.partitions[1]!.grow(5)
    workers.partitions[3]!.grow(7)
    await turn()
    assert.deepEqual(seen, [[0, 5, 0, 7]])
    assert.equal(workers.told, round + 1)
  }
  assert.deepEqual(workers.calls, ['look', 'news'])
})

test('a consumer that finds something at its first look hears of more without another', async () => {
  const workers = new TwoWorkers()
  workers.partitions[1]!.size = 5
  const first = workers.plans(1, { connection: CONNECTION })
  await first.look()
  assert.deepEqual(sizes(first), [0, 5, 0, 0])
  workers.keep(first)
  const second = workers.plans(1, { connection: CONNECTION, items: from(0, 5, 0, 0) })
  await second.look()
  assert.deepEqual(sizes(second), [0, 0, 0, 0])
  assert.deepEqual(
    second.outcomes.map(({ highWatermark }) => highWatermark),
    [0, 5, 0, 0],
  )
  const seen = newsOf(second, sizes)
  workers.partitions[1]!.grow(1)
  await turn()
  assert.deepEqual(seen, [[0, 1, 0, 0]])
  assert.deepEqual(workers.calls, ['look', 'news', 'unwatch'])
})

test('one answer lies ready for a consumer that is slow, and more is told when it comes: nothing is lost, and nothing told twice', async () => {
  const workers = new TwoWorkers()
  const fetch = async (offset: number): Promise<number> => {
    const plans = workers.plans(1, { connection: CONNECTION, items: from(0, offset, 0, 0) })
    await plans.look()
    await turn()
    workers.keep(plans)
    return sizes(plans)[1]!
  }
  workers.partitions[1]!.size = 1
  assert.equal(await fetch(0), 1)
  for (let i = 0; i < 10; i++) {
    workers.partitions[1]!.grow(1)
    await turn()
  }
  // The first of ten; the next fetch sets the rest going.
  assert.equal(workers.told, 1)
  assert.equal(await fetch(1), 1)
  assert.equal(workers.told, 2)
  assert.equal(await fetch(2), 9)
  assert.equal(await fetch(11), 0)
  assert.deepEqual(workers.calls, ['look', 'news', 'go-on'])
  workers.partitions[1]!.grow(3)
  await turn()
  assert.equal(await fetch(11), 3)
  assert.deepEqual(workers.calls, ['look', 'news', 'go-on'])
})

test('news in the same message as the answer come after it', async () => {
  const workers = new TwoWorkers()
  const plans = workers.plans(1)
  const looking = plans.look()
  const seen = newsOf(plans, sizes)
  workers.partitions[1]!.grow(5)
  await looking
  await turn()
  assert.deepEqual(seen, [[0, 5, 0, 0]])
})

test('a consumer that was not told all there is, or goes elsewhere, asks', async () => {
  const cases = [
    { what: 'as much as it takes of a partition', maxBytes: 5, next: 5 },
    { what: 'another place than where it was told to', maxBytes: 1000, next: 4 },
  ]
  for (const { what, maxBytes, next } of cases) {
    const items = (offset: number): FetchItem[] => from(0, offset, 0, 0).map((item) => ({ ...item, maxBytes }))
    const workers = new TwoWorkers()
    workers.partitions[1]!.size = 5
    const first = workers.plans(1, { connection: CONNECTION, items: items(0) })
    await first.look()
    workers.keep(first)
    const second = workers.plans(1, { connection: CONNECTION, items: items(next) })
    await second.look()
    assert.deepEqual(
      workers.calls.filter((method) => method !== 'unwatch'),
      ['look', 'news', 'look', 'news'],
      what,
    )
    second.stop()
    assert.deepEqual(workers.watched, [0, 0, 0, 0])
  }
})

test('a consumer of committed records goes on from the last stable offset, without the aborted transactions it was told', async () => {
  const workers = new TwoWorkers()
  const reader = { ...READER, readCommitted: true }
  const partition = workers.partitions[1]!
  partition.planFetch = () => ({
    ...failedFetch(0),
    highWatermark: 9,
    lastStableOffset: 5,
    plan: { size: 5 } as ReadPlan,
    abortedTransactions: [{ producerId: 1, firstOffset: 2 }],
  })
  const first = workers.plans(1, { connection: CONNECTION, reader })
  await first.look()
  workers.keep(first)
  const second = workers.plans(1, { connection: CONNECTION, reader, items: from(0, 5, 0, 0) })
  await second.look()
  assert.deepEqual(workers.calls, ['look', 'news'])
  assert.deepEqual([second.outcomes[1]!.plan, second.outcomes[1]!.abortedTransactions], [null, []])
  second.stop()
})

test('an end of another worker is news for a consumer that it told before', async () => {
  const workers = new TwoWorkers()
  workers.partitions[1]!.size = 5
  const first = workers.plans(1, { connection: CONNECTION })
  await first.look()
  workers.keep(first)
  workers.loseOther()
  await turn()
  const second = workers.plans(1, { connection: CONNECTION, items: from(0, 5, 0, 0) })
  await second.look()
  const { code } = errors.NOT_LEADER_OR_FOLLOWER
  assert.deepEqual(errorCodes(second), [0, code, 0, code])
})

test('news between two fetches that are too little for the second are watched on', async () => {
  const workers = new TwoWorkers()
  const first = workers.plans(100, { connection: CONNECTION })
  await first.look()
  workers.keep(first)
  workers.partitions[3]!.grow(7)
  await turn()
  const second = workers.plans(100, { connection: CONNECTION })
  await second.look()
  assert.deepEqual(sizes(second), [0, 0, 0, 7])
  assert.deepEqual(workers.calls, ['look', 'news', 'look', 'news'])
  assert.deepEqual(workers.watched, [1, 1, 1, 1])
  second.stop()
})

const changed = (change: Partial<FetchItem>): FetchItem[] => ITEMS.map((item) => (item.partition === 3 ? { ...item, ...change } : item))
const others: Record<string, Asked & { readonly minBytes?: number }> = {
  'another offset': { items: changed({ fetchOffset: 1 }) },
  'other bytes of a partition': { items: changed({ maxBytes: 1 }) },
  'another leader epoch': { items: changed({ currentLeaderEpoch: 1 }) },
  'another fetched epoch': { items: changed({ lastFetchedEpoch: 1 }) },
  'fewer partitions of each worker': { items: ITEMS.slice(0, 2) },
  'another topic': { items: changed({ topic: 'u' }) },
  'another limit of the answer': { maxBytes: 999 },
  'more to wait for': { minBytes: 2 },
  'another reader': { reader: { ...READER, readCommitted: true } },
  'another rack': { reader: { ...READER, rackId: 'a' } },
  'reading from the nearest replica': { reader: { ...READER, rackAware: true } },
}
for (const [what, { minBytes = 1, ...asked }] of Object.entries(others)) {
  test(`a fetch with ${what} asks again, and ends what was kept`, async () => {
    const workers = new TwoWorkers()
    await workers.answeredHere()
    const plans = workers.plans(minBytes, { connection: CONNECTION, ...asked })
    await plans.look()
    assert.deepEqual(workers.calls, ['look', 'news', 'unwatch', 'look', 'news'])
    plans.stop()
    assert.deepEqual(workers.watched, [0, 0, 0, 0])
  })
}

test('a fetch that does not wait asks again, and leaves nothing watched', async () => {
  const workers = new TwoWorkers()
  await workers.answeredHere()
  const plans = workers.plans(0, { connection: CONNECTION })
  await plans.look()
  workers.keep(plans)
  assert.deepEqual(workers.calls, ['look', 'news', 'unwatch', 'look'])
  assert.deepEqual(workers.watched, [0, 0, 0, 0])
})

test('a fetch session may change its partitions with the next request: what was asked is remembered as it was', async () => {
  const workers = new TwoWorkers()
  const items = ITEMS.map((item) => ({ ...item }))
  const first = workers.plans(1, { connection: CONNECTION, items })
  await first.look()
  workers.keep(first)
  items[3]!.fetchOffset = 1
  const second = workers.plans(1, { connection: CONNECTION, items })
  await second.look()
  assert.deepEqual(workers.calls, ['look', 'news', 'unwatch', 'look', 'news'])
  second.stop()
})

test('partitions that come in another order, and this worker at other offsets, change nothing for the other one', async () => {
  const workers = new TwoWorkers()
  await workers.answeredHere()
  const [zero, one, two, three] = ITEMS as [FetchItem, FetchItem, FetchItem, FetchItem]
  const plans = workers.plans(1, { connection: CONNECTION, items: [three, two, one, { ...zero, fetchOffset: 9 }] })
  await plans.look()
  const seen = newsOf(plans, sizes)
  workers.partitions[3]!.grow(7)
  await turn()
  assert.deepEqual(seen, [[7, 0, 0, 0]])
  assert.deepEqual(workers.calls, ['look', 'news', 'unwatch'])
})

test('a fetch may be answered while the other worker is asked once more, and its next one has that answer', async () => {
  const workers = new TwoWorkers()
  const first = workers.plans(5, { connection: CONNECTION })
  await first.look()
  let next: Promise<SpreadPlans> | undefined
  first.onNews = () => {
    first.onNews = () => undefined
    workers.partitions[3]!.size = 7
    queueMicrotask(() => {
      workers.keep(first)
      const plans = workers.plans(5, { connection: CONNECTION })
      next = plans.look().then(() => plans)
    })
  }
  workers.partitions[1]!.grow(1)
  await turn()
  assert.deepEqual(sizes((await next)!), [0, 1, 0, 7])
  assert.deepEqual(workers.calls, ['look', 'news', 'look', 'news'])
})

test('two fetches of a connection at a time do not share, and one of them is kept', async () => {
  const workers = new TwoWorkers()
  await workers.answeredHere()
  const both = [workers.plans(1, { connection: CONNECTION }), workers.plans(1, { connection: CONNECTION })]
  await Promise.all(both.map((plans) => plans.look()))
  assert.deepEqual(workers.calls, ['look', 'news', 'look', 'news'])
  assert.deepEqual(workers.watched, [2, 2, 2, 2])
  for (const plans of both) workers.keep(plans)
  assert.deepEqual(workers.watched, [0, 1, 0, 1])
})

test('another connection has nothing of it', async () => {
  const workers = new TwoWorkers()
  await workers.answeredHere()
  const plans = workers.plans(1, { connection: {} })
  await plans.look()
  assert.deepEqual(workers.calls, ['look', 'news', 'look', 'news'])
  plans.stop()
  assert.deepEqual(workers.watched, [0, 1, 0, 1])
})

test('what was asked long ago is asked again', async () => {
  const workers = new TwoWorkers()
  const plans = workers.plans(1, { connection: CONNECTION })
  await plans.look()
  await workers.env.advance(KEPT_LOOK_LIFE_MS)
  workers.keep(plans)
  await workers.answeredHere()
  assert.deepEqual(workers.calls, ['look', 'news', 'unwatch', 'look', 'news'])
})

test('news of some partitions do not make what was said of the others younger', async () => {
  const workers = new TwoWorkers()
  for (let offset = 0; offset < 4; offset++) {
    const plans = workers.plans(1, { connection: CONNECTION, items: from(0, offset, 0, 0) })
    await plans.look()
    workers.partitions[1]!.grow(1)
    await turn()
    assert.equal(sizes(plans)[1], 1)
    workers.keep(plans)
    await workers.env.advance(KEPT_LOOK_LIFE_MS / 2)
  }
  assert.deepEqual(
    workers.calls.filter((method) => method === 'look'),
    ['look', 'look'],
  )
})

test('nothing is watched for long for a client that does not come again', async () => {
  const workers = new TwoWorkers()
  await workers.answeredHere()
  await workers.env.advance(KEPT_LOOK_LIFE_MS / 2)
  await workers.answeredHere()
  await workers.answeredHere({})
  assert.deepEqual(workers.watched, [0, 2, 0, 2])
  await workers.env.advance(KEPT_LOOK_LIFE_MS / 2)
  assert.deepEqual(workers.watched, [0, 1, 0, 1])
  await workers.env.advance(KEPT_LOOK_LIFE_MS)
  assert.deepEqual(workers.watched, [0, 0, 0, 0])
  assert.deepEqual(workers.calls, ['look', 'news', 'look', 'news', 'unwatch', 'unwatch'])
})

test('the successor of a worker that died is asked, whether its end was heard of or not', async () => {
  const workers = new TwoWorkers()
  await workers.answeredHere()
  workers.replaceOther()
  await workers.answeredHere()
  assert.deepEqual(workers.watched, [0, 1, 0, 1])
  workers.loseOther()
  await turn()
  workers.replaceOther()
  await workers.answeredHere()
  assert.deepEqual(workers.watched, [0, 1, 0, 1])
})
