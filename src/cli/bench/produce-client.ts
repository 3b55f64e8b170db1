// Produce load through Millrace's own Producer: what an application gets, batching, linger and encoding of every record included.

import { Producer } from '../../client/index.js'
import { newHistogram, payload, recordMicros, type Extent, type LoadResult, type Tally } from './load.js'
import type { ProduceSettings } from './produce.js'

/** One record in so many is sent with a promise of its own, for latency; the others take the hot path. */
const SAMPLE_EVERY = 256
/** Records between two turns of the event loop. */
const TURN = 1024
const VALUES = 512

export interface ClientProduceSettings extends ProduceSettings {
  readonly lingerMs: number
}

export async function runClientProduce(
  bootstrapServers: readonly string[],
  topic: string,
  settings: ClientProduceSettings,
  extent: Extent,
  tally: Tally,
): Promise<LoadResult> {
  const histogram = newHistogram()
  let failure: Error | undefined
  let requests = 0
  const producer = new Producer({
    bootstrapServers: [...bootstrapServers],
    clientId: 'millrace-bench',
    acks: settings.acks,
    lingerMs: settings.lingerMs,
    batchSize: settings.batchSize,
    maxRequestSize: Math.max(1 << 20, settings.batchSize * 2),
    bufferMemory: Math.max(32 << 20, settings.batchSize * 64),
    compressionType: settings.compression,
    maxInFlightRequestsPerConnection: settings.acks === -1 ? Math.min(5, settings.inFlight) : settings.inFlight,
    onBatch: (result) => {
      requests++
      failure ??= result.error
      if (result.error) return
      tally.records += result.recordCount
      tally.bytes += result.recordCount * settings.recordSize
    },
  })
  try {
    await producer.partitionsFor(topic)
    const values = Array.from({ length: VALUES }, () => payload(settings.recordSize))
    const start = performance.now()
    const deadline = start + extent.seconds * 1000
    let sent = 0
    while (sent < extent.records && performance.now() < deadline && !failure) {
      const until = Math.min(extent.records, sent + TURN)
      while (sent < until) {
        const value = values[sent % VALUES]!
        if (sent % SAMPLE_EVERY === 0) sample(producer, topic, value, histogram)
        else while (!producer.append(topic, -1, null, value)) await producer.ready(topic)
        sent++
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    await producer.flush()
    if (failure) throw failure
    const seconds = (performance.now() - start) / 1000
    return { ...tally, seconds, requests, wireBytes: tally.bytes, ack: histogram }
  } finally {
    await producer.close()
  }
}

function sample(producer: Producer, topic: string, value: Buffer, histogram: ReturnType<typeof newHistogram>): void {
  const at = performance.now()
  producer.send({ topic, value }).then(
    () => recordMicros(histogram, performance.now() - at),
    // A failed batch is reported by onBatch.
    () => undefined,
  )
}
