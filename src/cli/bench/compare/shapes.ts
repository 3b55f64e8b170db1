// The rows of a comparison, each a load that both servers get alike, and how each is run and warmed up.

import { runConsume } from '../consume.js'
import { runLatency } from '../latency.js'
import type { LoadResult, Tally } from '../load.js'
import { runProduce } from '../produce.js'
import type { RowKind } from '../row.js'
import { topicName, type Target } from '../target.js'

export interface CompareSettings {
  readonly seconds: number
  readonly warmupSeconds: number
  readonly rounds: number
  readonly connections: number
  readonly partitions: number
  readonly replicas: number
  /** Of record values, written before the consume row. */
  readonly consumeBytes: number
  /** After a topic was deleted, so that its deletion does not run into the next row. */
  readonly pauseMs: number
}

export interface Shape {
  readonly name: string
  readonly kind: RowKind
  /** Share of --warmup: a JIT needs longer where requests are small and many. */
  readonly warmupShare: number
  readonly settings: Readonly<Record<string, unknown>>
  /** What the topic holds before the row; written once per server and kept for all rounds. */
  fill?(target: Target, topic: string): Promise<void>
  run(target: Target, topic: string, seconds: number, tally: Tally): Promise<LoadResult>
}

const KIB = 1024
const RATE = 2000

export function shapesOf(settings: CompareSettings): Shape[] {
  return [
    produceShape(settings, 'produce 1 KiB in 256 KiB', 1 * KIB, 256 * KIB, 0.6),
    produceShape(settings, 'produce 100 B in 256 KiB', 100, 256 * KIB, 0.6),
    produceShape(settings, 'produce 100 B in 16 KiB', 100, 16 * KIB, 1.7),
    consumeShape(settings),
    latencyShape(),
  ]
}

function produceShape({ connections }: CompareSettings, name: string, recordSize: number, batchSize: number, warmupShare: number): Shape {
  const settings = { recordSize, batchSize, connections, inFlight: 5, acks: -1, compression: 'none' } as const
  return {
    name,
    kind: 'produce',
    warmupShare,
    settings,
    run: (target, topic, seconds, tally) => runProduce(target, topic, settings, { seconds, records: Infinity }, tally),
  }
}

function consumeShape({ connections, consumeBytes }: CompareSettings): Shape {
  const filling = { recordSize: KIB, batchSize: 64 * KIB, connections: 2, inFlight: 5, acks: -1, compression: 'none' } as const
  const settings = { connections, fetchMaxBytes: KIB * KIB, fetchTotalBytes: 50 * KIB * KIB, recordSize: KIB }
  return {
    name: 'consume 1 KiB',
    kind: 'consume',
    warmupShare: 0.4,
    settings: { ...settings, filled: consumeBytes, fillBatchSize: filling.batchSize },
    fill: async (target, topic) => {
      await runProduce(target, topic, filling, { seconds: Infinity, records: Math.ceil(consumeBytes / KIB) }, { records: 0, bytes: 0 })
    },
    run: (target, topic, seconds, tally) => runConsume(target, topic, settings, { seconds, records: Infinity }, tally),
  }
}

function latencyShape(): Shape {
  const settings = { rate: RATE, recordSize: KIB, acks: -1, inFlight: 5, warmupSeconds: 1 } as const
  return {
    name: 'latency at 2,000/s',
    kind: 'latency',
    warmupShare: 0.4,
    settings,
    run: (target, topic, seconds, tally) =>
      runLatency(target, topic, { ...settings, seconds, warmupSeconds: Math.min(settings.warmupSeconds, seconds) }, tally),
  }
}

/** Topics that shapes keep between rounds, by server. */
export class Topics {
  readonly #target: Target
  readonly #settings: CompareSettings
  readonly #kept = new Map<Shape, string>()

  constructor(target: Target, settings: CompareSettings) {
    this.#target = target
    this.#settings = settings
  }

  /** Runs `use` with the shape's topic, filled where it needs to be; a topic that is not kept is deleted afterwards. */
  async with<T>(shape: Shape, use: (topic: string) => Promise<T>): Promise<T> {
    const kept = this.#kept.get(shape)
    if (kept !== undefined) return use(kept)
    const topic = topicName()
    // Space of deleted topics comes back at once, or rounds of gigabytes would fill a disk.
    await this.#target.createTopic(topic, this.#settings.partitions, this.#settings.replicas, { 'file.delete.delay.ms': '1000' })
    if (shape.fill) {
      this.#kept.set(shape, topic)
      await shape.fill(this.#target, topic)
      return use(topic)
    }
    try {
      return await use(topic)
    } finally {
      await this.#delete(topic)
    }
  }

  async close(): Promise<void> {
    for (const topic of this.#kept.values()) await this.#delete(topic)
    this.#kept.clear()
  }

  async #delete(topic: string): Promise<void> {
    await this.#target.deleteTopic(topic).catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, this.#settings.pauseMs))
  }
}
