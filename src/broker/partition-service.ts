// The one door to partitions for handlers: does the work here when this worker owns the partition, or groups it by owner and crosses
// the mailbox once per owner. Runs on every worker.

import { BufferPool } from '../env/buffer-pool.js'
import { native } from '../log/native.js'
import type { AppendResult } from '../log/types.js'
import { errors } from '../model/errors.js'
import type { AppendTerms, FetchItem, FetchOutcome, FetchReader } from '../replica/hosted-partition.js'
import { failedAppend, failedFetch } from '../replica/hosted-partition.js'
import type { DeleteRecordsAnswer } from '../replica/purgatory/delete-queue.js'
import type { ProduceSink } from '../replica/purgatory/produce-queue.js'
import * as operations from '../replica/partition-operations.js'
import type { ReplicaManager } from '../replica/replica-manager.js'
import { type Caller, type MailboxHandler } from '../threads/mailbox.js'
import { ownerOf, type PlacementTable } from '../threads/placement.js'

/** A question's name → question → answer. */
export interface PartitionQuestions {
  listOffsets: [operations.ListOffsetsQuestion, operations.ListOffsetsAnswer]
  epochEnd: [operations.EpochEndQuestion, operations.EpochEndAnswer]
  deleteRecords: [operations.DeleteRecordsQuestion, DeleteRecordsAnswer]
}
export type QuestionName = keyof PartitionQuestions

type Answering<Name extends QuestionName> = (
  manager: ReplicaManager,
  question: PartitionQuestions[Name][0],
) => PartitionQuestions[Name][1] | Promise<PartitionQuestions[Name][1]>

const answers: { [Name in QuestionName]: Answering<Name> } = {
  listOffsets: operations.listOffsets,
  epochEnd: operations.epochEnd,
  deleteRecords: operations.deleteRecords,
}

interface ForwardedProduce {
  readonly terms: AppendTerms
  /** All records of the message, one after the other. The owner's until it has answered. */
  readonly bytes: SharedArrayBuffer
  readonly items: readonly { readonly topic: string; readonly partition: number; readonly offset: number; readonly size: number }[]
}

export interface ProduceItem {
  readonly topic: string
  readonly partition: number
  readonly records: Uint8Array
  readonly slot: number
}

interface WatchRequest {
  readonly id: number
  readonly items: readonly { readonly topic: string; readonly partition: number }[]
}

/** Buffers kept of each size up to the largest: 16 MiB of the largest, at most twice that of all. */
const KEPT_PER_SIZE = 16
const LARGEST_KEPT = 1 << 20

export interface PartitionServiceOptions {
  readonly worker: number
  readonly replicas: ReplicaManager
  placement(): PlacementTable
  /** The other worker's mailbox. */
  peer(worker: number): Caller | undefined
  peers(): readonly number[]
  /** Bytes of records on their way to other workers, unanswered: more are refused. */
  maxForwardedBytes(): number
}

export class PartitionService {
  private readonly options: PartitionServiceOptions
  private readonly remoteWatches = new Map<number, () => void>()
  private nextWatch = 1
  private forwardedBytes = 0
  /** Memory that other workers read. Fresh memory for each message cost more than all else of a forwarded batch: page faults, and marking. */
  private readonly pool = new BufferPool(KEPT_PER_SIZE, LARGEST_KEPT, (bytes) => Buffer.from(new SharedArrayBuffer(bytes)))

  constructor(options: PartitionServiceOptions) {
    this.options = options
  }

  get replicas(): ReplicaManager {
    return this.options.replicas
  }

  owner(topic: string, partition: number): number {
    return ownerOf(this.options.placement(), topic, partition)
  }

  /** Appends here, or adds to `forward` what another worker owns: the caller sends that with `forwardProduce` once it has all. */
  produce(item: ProduceItem, terms: AppendTerms, sink: ProduceSink, forward: Map<number, ProduceItem[]>): void {
    const { topic, partition, slot } = item
    const owner = this.owner(topic, partition)
    if (owner === this.options.worker || owner === -1) this.replicas.append(topic, partition, item.records, terms, sink, slot)
    else {
      const items = forward.get(owner)
      if (items) items.push(item)
      else forward.set(owner, [item])
    }
  }

  /** The records are copied once, into memory that the owner reads: what they lie in now is the connection's receive buffer. */
  forwardProduce(owner: number, items: readonly ProduceItem[], terms: AppendTerms, sink: ProduceSink): void {
    const failAll = (code: number): void => {
      for (const item of items) sink.complete(item.slot, failedAppend(code))
    }
    const peer = this.options.peer(owner)
    if (!peer) {
      failAll(errors.NOT_LEADER_OR_FOLLOWER.code)
      return
    }
    const total = items.reduce((sum, item) => sum + item.records.length, 0)
    // A connection's limit does not hold what it left behind when it closed: so these bytes are counted here, until the owner has answered.
    if (this.forwardedBytes > 0 && this.forwardedBytes + total > this.options.maxForwardedBytes()) {
      failAll(errors.REQUEST_TIMED_OUT.code)
      return
    }
    this.forwardedBytes += total
    const memory = this.pool.acquire(total)
    let offset = 0
    const forwarded = items.map(({ topic, partition, records }) => {
      native().copyBytes(memory.subarray(offset, offset + records.length), records)
      offset += records.length
      return { topic, partition, offset: offset - records.length, size: records.length }
    })
    const message: ForwardedProduce = { terms, bytes: memory.buffer as unknown as SharedArrayBuffer, items: forwarded }
    peer.call<AppendResult[]>('produce', message).then(
      (results) => {
        this.forwardedBytes -= total
        this.pool.release(memory)
        for (let i = 0; i < items.length; i++) sink.complete(items[i]!.slot, results[i]!)
      },
      () => {
        // The memory is left to its owner, which may be at it still.
        this.forwardedBytes -= total
        failAll(errors.NOT_LEADER_OR_FOLLOWER.code)
      },
    )
  }

  /** Asks the owners; the answers come in the order of the questions. */
  async ask<Name extends QuestionName>(
    name: Name,
    questions: readonly PartitionQuestions[Name][0][],
    unavailable: (errorCode: number) => PartitionQuestions[Name][1],
  ): Promise<PartitionQuestions[Name][1][]> {
    type Answer = PartitionQuestions[Name][1]
    const results: Answer[] = Array.from({ length: questions.length })
    const here: Promise<void>[] = []
    const remote = new Map<number, number[]>()
    for (let i = 0; i < questions.length; i++) {
      const { topic, partition } = questions[i]!
      const owner = this.owner(topic, partition)
      if (owner === this.options.worker || owner === -1) {
        const answer = answers[name](this.replicas, questions[i]!)
        if (answer instanceof Promise) here.push(answer.then((late) => void (results[i] = late)))
        else results[i] = answer
      } else remote.set(owner, [...(remote.get(owner) ?? []), i])
    }
    await Promise.all([
      ...here,
      ...Array.from(remote, async ([owner, indexes]) => {
        const peer = this.options.peer(owner)
        const asked = indexes.map((i) => questions[i]!)
        const answered = await (peer ? peer.call<Answer[]>('ask', { name, questions: asked }) : Promise.reject(new Error('gone'))).catch(
          () => asked.map(() => unavailable(errors.NOT_LEADER_OR_FOLLOWER.code)),
        )
        indexes.forEach((i, at) => (results[i] = answered[at]!))
      }),
    ])
    return results
  }

  /** The logs of all workers. */
  async describeLogs(): Promise<operations.LogDescription[]> {
    const none: operations.LogDescription[] = []
    // A worker that is just being replaced has nothing to tell.
    const remote = await Promise.all(
      this.options.peers().map((worker) =>
        this.options
          .peer(worker)!
          .call<typeof none>('describeLogs', null)
          .catch(() => none),
      ),
    )
    return [...operations.describeLogs(this.replicas), ...remote.flat()]
  }

  /** True when this worker owns all of these: a fetch of them needs no promise. */
  ownsAll(items: readonly { readonly topic: string; readonly partition: number }[]): boolean {
    for (const { topic, partition } of items) {
      const owner = this.owner(topic, partition)
      if (owner !== this.options.worker && owner !== -1) return false
    }
    return true
  }

  /** One pass over what this worker owns. `budget`: bytes left of the whole answer; the first batch found is whole whatever its size. */
  planLocal(items: readonly FetchItem[], reader: FetchReader, maxBytes: number, minOne: boolean): FetchOutcome[] {
    let budget = maxBytes
    let first = minOne
    return items.map((item) => {
      const hosted = this.replicas.find(item.topic, item.partition)
      if (!hosted) return failedFetch(this.replicas.missingCode(item.topic, item.partition))
      const outcome = hosted.planFetch(item, reader, Math.max(0, budget), first)
      if (outcome.plan) {
        budget -= outcome.plan.size
        first = false
      }
      return outcome
    })
  }

  /** One pass over all owners, without waiting for data. */
  async planAll(items: readonly FetchItem[], reader: FetchReader, maxBytes: number): Promise<FetchOutcome[]> {
    const results: FetchOutcome[] = Array.from({ length: items.length })
    const byOwner = new Map<number, number[]>()
    items.forEach((item, i) => {
      const owner = this.owner(item.topic, item.partition)
      byOwner.set(owner, [...(byOwner.get(owner) ?? []), i])
    })
    await Promise.all(
      [...byOwner].map(async ([owner, indexes]) => {
        const asked = indexes.map((i) => items[i]!)
        const here = owner === this.options.worker || owner === -1
        // Each owner may fill its share; the caller cuts the sum. A single batch over its share still goes out whole.
        const share = Math.max(1, Math.floor((maxBytes * indexes.length) / items.length))
        const outcomes = here
          ? this.planLocal(asked, reader, share, true)
          : await (
              this.options.peer(owner)?.call<FetchOutcome[]>('plan', { items: asked, reader, maxBytes: share }) ??
              Promise.reject(new Error('gone'))
            ).catch(() => asked.map(() => failedFetch(errors.NOT_LEADER_OR_FOLLOWER.code)))
        indexes.forEach((i, at) => (results[i] = outcomes[at]!))
      }),
    )
    return results
  }

  /** Calls `wake` at every move of any of these partitions' high watermarks. Returns how to stop. */
  watch(items: readonly { readonly topic: string; readonly partition: number }[], wake: () => void): () => void {
    const stops: (() => void)[] = []
    let stopped = false
    // The end of a remote watch that was called off is no news: taking it for some would make two workers wake each other for ever.
    const wakeUnlessStopped = (): void => {
      if (!stopped) wake()
    }
    const remote = new Map<number, { topic: string; partition: number }[]>()
    for (const { topic, partition } of items) {
      const owner = this.owner(topic, partition)
      if (owner === this.options.worker || owner === -1) {
        const hosted = this.replicas.find(topic, partition)
        if (hosted) stops.push(hosted.watch(wake))
      } else remote.set(owner, [...(remote.get(owner) ?? []), { topic, partition }])
    }
    for (const [owner, watched] of remote) {
      const id = this.nextWatch++
      const peer = this.options.peer(owner)
      peer?.call('watch', { id: id + this.options.worker * 2 ** 40, items: watched }).then(wakeUnlessStopped, wakeUnlessStopped)
      stops.push(() => peer?.notify('unwatch', id + this.options.worker * 2 ** 40))
    }
    return () => {
      stopped = true
      for (const stop of stops) stop()
    }
  }

  /** What other workers may ask of this one. */
  handlers(): [string, MailboxHandler][] {
    return [
      ['produce', (message: ForwardedProduce) => this.producedElsewhere(message)],
      [
        'ask',
        ({ name, questions }: { name: QuestionName; questions: never[] }) =>
          Promise.all(questions.map(async (question) => answers[name](this.replicas, question))),
      ],
      [
        'plan',
        ({ items, reader, maxBytes }: { items: FetchItem[]; reader: FetchReader; maxBytes: number }) =>
          this.planLocal(items, reader, maxBytes, true),
      ],
      ['describeLogs', () => operations.describeLogs(this.replicas)],
      ['watch', (request: WatchRequest) => this.watchedElsewhere(request)],
      ['unwatch', (id: number) => this.remoteWatches.get(id)?.()],
    ]
  }

  private producedElsewhere({ terms, bytes, items }: ForwardedProduce): Promise<AppendResult[]> {
    return new Promise((resolve) => {
      const results: AppendResult[] = []
      let remaining = items.length
      const sink: ProduceSink = {
        complete: (slot, result) => {
          results[slot] = result
          if (--remaining === 0) resolve(results)
        },
      }
      items.forEach(({ topic, partition, offset, size }, slot) => {
        this.replicas.append(topic, partition, new Uint8Array(bytes, offset, size), terms, sink, slot)
      })
      // One mailbox message is one turn here: the microtask runs after all envelopes of the message were handled.
      if (this.replicas.hasStaged) queueMicrotask(() => this.replicas.flush())
    })
  }

  private watchedElsewhere({ id, items }: WatchRequest): Promise<null> {
    return new Promise((resolve) => {
      const stop = this.watch(items, () => end())
      const end = (): void => {
        stop()
        this.remoteWatches.delete(id)
        resolve(null)
      }
      this.remoteWatches.set(id, end)
    })
  }
}
