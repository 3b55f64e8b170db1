// Who this producer is to brokers, so that they recognise a batch that comes twice: the producer id that it asked for, and the epoch that it raises
// itself. Runs on the producer's thread.

import { apis } from '../../protocol/schema/index.js'
import { backoffMs, sleep } from '../cluster/backoff.js'
import type { Cluster } from '../cluster/cluster.js'
import { isRetriable, KafkaError } from '../errors.js'
import type { Accumulator } from './accumulator.js'
import type { PartitionQueue, ProducerIdentity } from './partition-queue.js'

const MAX_EPOCH = 32767

export class IdentityKeeper {
  readonly #cluster: Cluster
  readonly #accumulator: Accumulator
  readonly #settled: () => void
  #current: ProducerIdentity | undefined
  #asking = false
  #closed = false

  /** `settled`: there is an identity, or none can be had and every batch failed. */
  constructor(cluster: Cluster, accumulator: Accumulator, settled: () => void) {
    this.#cluster = cluster
    this.#accumulator = accumulator
    this.#settled = settled
  }

  get current(): ProducerIdentity | undefined {
    return this.#current
  }

  /** True when there is one; else asks for it. */
  ensure(): boolean {
    if (this.#current) return true
    if (!this.#asking) {
      this.#asking = true
      this.#ask()
        .catch((error: unknown) => this.#accumulator.failAll(error as Error))
        .finally(() => {
          this.#asking = false
          this.#settled()
        })
    }
    return false
  }

  /** Another one is needed. */
  forget(): void {
    this.#current = undefined
  }

  /**
   * A sequence of this partition can never arrive. The epoch is raised here, as KIP-360 lets a producer without
   * transactions do; partitions with answers outstanding keep the old one until they have them.
   */
  raise(queue: PartitionQueue): void {
    const current = this.#current
    if (!current || queue.identity?.producerId !== current.producerId || queue.identity.epoch !== current.epoch) return
    if (current.epoch >= MAX_EPOCH) {
      this.forget()
      this.ensure()
      return
    }
    this.#current = { producerId: current.producerId, epoch: current.epoch + 1 }
  }

  close(): void {
    this.#closed = true
  }

  async #ask(): Promise<void> {
    const { env, options } = this.#cluster
    for (let failures = 1; !this.#closed && this.#accumulator.hasUnsent; failures++) {
      try {
        const answer = await this.#cluster.requestAny(apis.initProducerId, { transactionalId: null, transactionTimeoutMs: 0x7fffffff })
        if (answer.errorCode !== 0) throw new KafkaError(answer.errorCode, 'a producer id (enableIdempotence)')
        this.#current = { producerId: answer.producerId, epoch: answer.producerEpoch }
        return
      } catch (error) {
        if (!isRetriable(error)) throw error
        this.#accumulator.noteFailure(error as Error)
        this.#accumulator.expire(env.clock.monotonic())
        await sleep(env, backoffMs(failures, options.retryBackoffMs, options.retryBackoffMaxMs, env.random.next()))
      }
    }
  }
}
