// Our own client as the load of a round: two producers and a consumer of a group in this process, with what they hear counted.

import { Consumer, Producer } from '../../../src/client/index.js'
import { ObservedTransport } from './observed.js'
import { parse } from './ledger.js'
import type { Driver, DriverSpec } from './workload.js'

const WRITERS = 2
const TURN_MS = 10
const POLL_MS = 200

export class OwnClient implements Driver {
  readonly #spec: DriverSpec
  readonly #transports: ObservedTransport[] = []
  readonly #producers: Producer[]
  readonly #consumer: Consumer
  readonly #sent: number[] = Array.from({ length: WRITERS }, () => 0)
  #isWriting = true
  #isReading = true
  #writing: Promise<unknown> = Promise.resolve()
  #reading: Promise<unknown> = Promise.resolve()

  constructor(spec: DriverSpec) {
    this.#spec = spec
    const common = {
      requestTimeoutMs: 5000,
      retryBackoffMs: 20,
      reconnectBackoffMs: 20,
      reconnectBackoffMaxMs: 200,
      metadataMaxAgeMs: 5000,
    }
    const writing = { acks: 'all', enableIdempotence: true, lingerMs: 5, deliveryTimeoutMs: 120_000 } as const
    this.#producers = Array.from(
      { length: WRITERS },
      (_, writer) => new Producer({ transport: this.#transport(), clientId: `writer-${writer}`, ...writing, ...common }),
    )
    const reading = { groupId: 'watchers', autoOffsetReset: 'earliest', sessionTimeoutMs: 10_000 } as const
    this.#consumer = new Consumer({ transport: this.#transport(), clientId: 'watcher', ...reading, ...common })
  }

  #transport(): ObservedTransport {
    const transport = new ObservedTransport(this.#spec.bootstrap, this.#spec.heard)
    this.#transports.push(transport)
    return transport
  }

  start(): Promise<void> {
    this.#reading = this.#watch()
    this.#writing = Promise.all(this.#producers.map((producer, writer) => this.#write(producer, writer)))
    return Promise.resolve()
  }

  async #watch(): Promise<void> {
    this.#consumer.subscribe({ topics: [this.#spec.topic] })
    while (this.#isReading) {
      try {
        for (const { value } of await this.#consumer.poll(POLL_MS)) {
          const { writer, n } = parse(value!)
          this.#spec.ledger.watch(writer, n)
        }
      } catch (error) {
        this.#spec.heard.count(`consumer threw ${(error as Error).message}`, false)
      }
    }
  }

  async #write(producer: Producer, writer: number): Promise<void> {
    const { topic, partitions } = this.#spec
    const rate = this.#spec.rate / WRITERS
    const started = performance.now()
    const due = new Set<Promise<unknown>>()
    while (this.#isWriting) {
      const wanted = Math.floor(((performance.now() - started) / 1000) * rate)
      // After a long stop the writer catches up, but it does not pile up more than a second of records.
      for (let i = 0; i < rate && this.#sent[writer]! < wanted && due.size < rate; i++) {
        const n = this.#sent[writer]!++
        const sending = this.#send(producer, writer, n, topic, n % partitions)
        due.add(sending)
        void sending.then(() => due.delete(sending))
      }
      await new Promise((resolve) => setTimeout(resolve, TURN_MS))
    }
    await Promise.allSettled(due)
  }

  async #send(producer: Producer, writer: number, n: number, topic: string, partition: number): Promise<void> {
    try {
      const { offset } = await producer.send({ topic, partition, value: `${writer}:${n}` })
      this.#spec.ledger.acknowledge({ writer, n, partition, offset })
    } catch (error) {
      this.#spec.failed((error as Error).message)
    }
  }

  async endWriting(): Promise<void> {
    this.#isWriting = false
    await this.#writing
    await Promise.all(this.#producers.map((producer) => producer.close()))
  }

  async close(): Promise<void> {
    this.#isWriting = false
    this.#isReading = false
    await this.#reading
    await Promise.allSettled([this.#consumer.close(), ...this.#producers.map((producer) => producer.close())])
    for (const transport of this.#transports) transport.close()
  }
}
