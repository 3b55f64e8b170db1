// A fetch of what two workers own: it waits without questions, hears of news once, and from whoever has them.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PartitionService } from '../../src/broker/partition-service.js'
import type { SpreadPlans } from '../../src/broker/spread-plans.js'
import type { ReadPlan } from '../../src/log/types.js'
import { errors } from '../../src/model/errors.js'
import { failedFetch, type FetchItem, type FetchOutcome, type FetchReader } from '../../src/replica/fetch-plan.js'
import type { ReplicaManager } from '../../src/replica/replica-manager.js'
import { type Caller, LocalCaller } from '../../src/threads/mailbox.js'

const READER: FetchReader = { readCommitted: false, rackId: null, rackAware: false }

/** A partition that has `size` bytes for whoever asks. */
class FakePartition {
  size = 0
  readonly watchers = new Set<() => void>()

  planFetch(): FetchOutcome {
    const plan = this.size > 0 ? ({ size: this.size } as ReadPlan) : null
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
  readonly calls: string[] = []
  private readonly asking: PartitionService
  private gone: ((error: Error) => void)[] = []
  private isGone = false

  constructor() {
    const services: PartitionService[] = []
    const service = (worker: number): PartitionService =>
      new PartitionService({
        worker,
        replicas: {
          find: (_topic: string, partition: number) => (partition % 2 === worker ? this.partitions[partition] : undefined),
          missingCode: () => errors.NOT_LEADER_OR_FOLLOWER.code,
        } as unknown as ReplicaManager,
        placement: () => new Map([['t', Int16Array.of(0, 1, 0, 1)]]),
        peer: () => (this.isGone ? undefined : this.toOther(services)),
        lane: () => undefined,
        peers: () => [1 - worker],
        maxForwardedBytes: () => 1,
      })
    services.push(service(0), service(1))
    this.asking = services[0]!
  }

  private toOther(services: PartitionService[]): Caller {
    const other = new LocalCaller(new Map(services[1]!.handlers()))
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

  plans(minBytes: number): SpreadPlans {
    const items: FetchItem[] = [0, 1, 2, 3].map((partition) => ({
      topic: 't',
      partition,
      fetchOffset: 0,
      maxBytes: 1000,
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
    }))
    return this.asking.spreadPlans(items, READER, 1000, minBytes)
  }

  loseOther(): void {
    this.isGone = true
    for (const reject of this.gone) reject(new Error('gone'))
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

test('what another worker has by now comes by itself, once, with all that a turn wrote', async () => {
  const workers = new TwoWorkers()
  const plans = workers.plans(1)
  await plans.look()
  assert.deepEqual(sizes(plans), [0, 0, 0, 0])
  assert.deepEqual(workers.watched, [1, 1, 1, 1])
  const seen = newsOf(plans, sizes)
  workers.partitions[1]!.grow(5)
  workers.partitions[3]!.grow(7)
  await turn()
  assert.deepEqual(seen, [[0, 5, 0, 7]])
  assert.deepEqual(workers.calls, ['look', 'news'])
  assert.deepEqual(workers.watched, [0, 0, 0, 0])
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

test('who has enough at the first look watches nothing, and who does not wait has nobody watch', async () => {
  const workers = new TwoWorkers()
  workers.partitions[3]!.size = 9
  const plans = workers.plans(1)
  await plans.look()
  assert.deepEqual(sizes(plans), [0, 0, 0, 9])
  plans.stop()
  assert.deepEqual(workers.calls, ['look', 'news'])
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
