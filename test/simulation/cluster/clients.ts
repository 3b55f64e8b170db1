// Producers (idempotent, acks=all, several batches in flight) and consumers of one partition, as a client library drives them: they ask any node
// who leads, keep order on each connection, time out, and send again everything that was not answered.

import type { MetadataImage } from '../../../src/controller/image.js'
import { errors } from '../../../src/model/errors.js'
import type { HostedPartition } from '../../../src/replica/hosted-partition.js'
import { batch } from '../../log/support.js'
import type { Counts, SimWorld } from '../support/world.js'
import { type Ledger, recordsOf } from './ledger.js'
import type { SimNode } from './node.js'

const IN_FLIGHT = 5
const REQUEST_TIMEOUT_MS = 700
/** What a client has to expect, and tries again after. */
const RETRIABLE: ReadonlySet<number> = new Set([
  errors.NOT_LEADER_OR_FOLLOWER.code,
  errors.NOT_ENOUGH_REPLICAS.code,
  errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND.code,
  errors.KAFKA_STORAGE_ERROR.code,
  errors.OUT_OF_ORDER_SEQUENCE_NUMBER.code,
  errors.FENCED_LEADER_EPOCH.code,
  errors.UNKNOWN_LEADER_EPOCH.code,
])

export interface ClientOptions {
  readonly world: SimWorld
  readonly counts: Counts
  readonly ledger: Ledger
  readonly nodes: readonly SimNode[]
  readonly topic: string
  readonly partition: number
  log(line: string): void
  /** Told when a leader answers that a batch is committed: it must be on enough replicas then. */
  onAcknowledged(leader: SimNode, hosted: HostedPartition, lastOffset: number): void
}

/** What some node that runs believes. */
export function someImage(world: SimWorld, nodes: readonly SimNode[]): MetadataImage | undefined {
  const running = nodes.filter(({ image, paused }) => image !== undefined && !paused)
  return running.length === 0 ? undefined : world.pick(running).image
}

/** Whoever leads, as some node that runs believes. */
function leaderOf({ world, nodes, topic, partition }: ClientOptions): SimNode | undefined {
  const leader = someImage(world, nodes)?.topics.get(topic)?.partitions[partition]?.leader
  const node = nodes.find(({ id }) => id === leader)
  return node?.manager ? node : undefined
}

/** Carries requests to one life of a node and answers back, in order. */
class Connection {
  readonly #world: SimWorld
  readonly node: SimNode
  readonly #life
  #there = 0
  #back = 0

  constructor(world: SimWorld, node: SimNode) {
    this.#world = world
    this.node = node
    this.#life = node.life
  }

  request(serve: () => void): void {
    this.#there = Math.max(this.#there, this.#world.now + this.#world.between(0.2, 3))
    this.#world.after(this.#there - this.#world.now, () => this.#life?.run(serve))
  }

  answer(hear: () => void): void {
    if (!this.#life?.alive()) return
    this.#back = Math.max(this.#back, this.#world.now + this.#world.between(0.2, 3))
    this.#world.after(this.#back - this.#world.now, hear)
  }
}

interface Batch {
  readonly index: number
  readonly sequence: number
  readonly values: readonly string[]
}

export class Producer {
  readonly name: string
  readonly #options: ClientOptions
  readonly #id: number
  readonly #pending: Batch[] = []
  #sequence = 0
  #batches = 0
  #connection: Connection | undefined
  #connecting = false
  #answered = false
  stopped = false

  constructor(options: ClientOptions, id: number) {
    this.#options = options
    this.#id = id
    this.name = `p${id}`
    this.#produceSoon()
  }

  /** Every record sent so far has been acknowledged. */
  get isDone(): boolean {
    return this.stopped && this.#pending.length === 0
  }

  get waitsFor(): string {
    return `${this.name}: ${this.#pending.map(({ sequence }) => sequence).join(' ')}`
  }

  #produceSoon(): void {
    const { world } = this.#options
    world.after(world.between(4, 50), () => {
      if (this.stopped) return
      this.#produceSoon()
      // A broker that knows nothing of a producer takes any sequence for its first: the first one goes alone. And it remembers five batches:
      // one that is not answered is not left behind by more.
      const oldest = this.#pending[0]?.index ?? this.#batches
      if (this.#batches - oldest >= (this.#answered ? IN_FLIGHT : 1)) return
      const count = 1 + Math.floor(world.between(0, 4))
      const values = Array.from(
        { length: count },
        (_, i) => `${this.name}:${this.#sequence + i}${'.'.repeat(Math.floor(world.between(0, 200)))}`,
      )
      const made = { index: this.#batches++, sequence: this.#sequence, values }
      this.#sequence += count
      this.#pending.push(made)
      if (this.#connection) this.#send(made, this.#connection)
      else this.#reconnect()
    })
  }

  #reconnect(): void {
    const { world } = this.#options
    this.#connection = undefined
    if (this.#connecting) return
    this.#connecting = true
    world.after(world.between(10, 80), () => {
      this.#connecting = false
      const node = leaderOf(this.#options)
      if (!node) return this.#reconnect()
      this.#connection = new Connection(world, node)
      for (const each of this.#pending) this.#send(each, this.#connection)
    })
  }

  #send(made: Batch, connection: Connection): void {
    const { world, topic, partition, onAcknowledged } = this.#options
    const { node } = connection
    const spec = { producerId: this.#id, producerEpoch: 0, baseSequence: made.sequence }
    connection.request(() => {
      const { manager } = node
      if (!manager) return
      const records = batch(
        made.values.map((value) => ({ value })),
        spec,
      )
      const hosted = manager.find(topic, partition)
      const sink = {
        complete: (_slot: number, result: { errorCode: number; baseOffset: number; lastOffset: number }) => {
          if (result.errorCode === 0 && node.manager === manager && hosted) onAcknowledged(node, hosted, result.lastOffset)
          connection.answer(() => this.#heard(made, connection, result))
        },
      }
      manager.append(topic, partition, records, { acks: -1, disk: false, apiVersion: 12, origin: 'client' }, sink, 0)
      manager.flush()
    })
    world.after(REQUEST_TIMEOUT_MS, () => {
      if (this.#connection === connection && this.#pending.includes(made)) {
        this.#options.counts.add('produce timed out')
        this.#reconnect()
      }
    })
  }

  #heard(made: Batch, connection: Connection, { errorCode, baseOffset }: { errorCode: number; baseOffset: number }): void {
    const { counts, ledger, topic, partition } = this.#options
    const key = `${topic}-${partition}`
    if (errorCode === 0 || errorCode === errors.DUPLICATE_SEQUENCE_NUMBER.code) {
      const at = this.#pending.indexOf(made)
      if (at === -1) return
      // An answer that comes over a connection given up is as good as any.
      this.#pending.splice(at, 1)
      this.#answered = true
      counts.add('acknowledged record', made.values.length)
      if (baseOffset >= 0) made.values.forEach((value, i) => ledger.committed(key, { offset: baseOffset + i, value }, 'acknowledged,'))
      return
    }
    if (this.#connection !== connection) return
    counts.add(`produce error ${errorCode}`)
    this.#options.log(`${this.name} got error ${errorCode} for sequence ${made.sequence} from n${connection.node.id}`)
    if (!RETRIABLE.has(errorCode)) ledger.broken(`${this.name} got error ${errorCode} for sequence ${made.sequence}`)
    this.#reconnect()
  }
}

/** Reads below the high watermark, from wherever it is told to, again and again from the beginning. */
export class Consumer {
  readonly #options: ClientOptions
  #offset = 0

  constructor(options: ClientOptions) {
    this.#options = options
    this.#pollSoon()
  }

  #pollSoon(): void {
    const { world } = this.#options
    world.after(world.between(10, 60), () => {
      this.#pollSoon()
      if (world.chance(0.03)) this.#offset = 0
      const node = leaderOf(this.#options)
      if (node) this.#poll(new Connection(world, node))
    })
  }

  #poll(connection: Connection): void {
    const { topic, partition, counts, ledger } = this.#options
    const from = this.#offset
    connection.request(() => {
      const hosted = connection.node.hosted(topic, partition)
      if (!hosted) return
      const item = { topic, partition, fetchOffset: from, maxBytes: 5000, currentLeaderEpoch: -1, lastFetchedEpoch: -1 }
      const { errorCode, plan, highWatermark } = hosted.planFetch(
        item,
        { readCommitted: false, rackId: null, rackAware: false },
        5000,
        true,
      )
      if (errorCode === errors.OFFSET_OUT_OF_RANGE.code) counts.add('read beyond the end')
      if (errorCode !== 0 || !plan) return
      const bytes = Buffer.alloc(plan.size)
      let size: number
      try {
        size = hosted.logOf(plan).readInto(plan, bytes, 0)
      } catch {
        counts.add('read failed')
        return
      }
      connection.answer(() => {
        const records = recordsOf(bytes.subarray(0, size), highWatermark)
        if (!records) return counts.add('consumer saw a wrong checksum')
        counts.add('read', records.length)
        for (const record of records) ledger.committed(`${topic}-${partition}`, record, 'read,')
        const last = records.at(-1)
        if (last && this.#offset === from) this.#offset = last.offset + 1
      })
    })
  }
}
