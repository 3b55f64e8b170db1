// The one door to partitions for handlers: does the work here when this worker owns the partition, or groups it by owner and crosses
// the mailbox once per owner. Runs on every worker.

import { errors } from '../model/errors.js'
import type { AppendTerms, FetchItem, FetchOutcome, FetchReader } from '../replica/hosted-partition.js'
import { failedAppend, failedFetch } from '../replica/hosted-partition.js'
import type { DeleteRecordsAnswer } from '../replica/purgatory/delete-queue.js'
import type { ProduceSink } from '../replica/purgatory/produce-queue.js'
import * as operations from '../replica/partition-operations.js'
import type { ReplicaManager } from '../replica/replica-manager.js'
import { type Caller, type MailboxHandler } from '../threads/mailbox.js'
import { ownerOf, type PlacementTable } from '../threads/placement.js'
import { type ProduceItem, ProduceLane } from './produce-lane.js'

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

interface WatchRequest {
  readonly id: number
  readonly items: readonly { readonly topic: string; readonly partition: number }[]
}

export interface PartitionServiceOptions {
  readonly worker: number
  readonly replicas: ReplicaManager
  placement(): PlacementTable
  /** The other worker's mailbox. */
  peer(worker: number): Caller | undefined
  /** The way of produced batches to the other worker. */
  lane(worker: number): ProduceLane | undefined
  peers(): readonly number[]
  /** Bytes of records on their way to other workers, unanswered: more are refused. */
  maxForwardedBytes(): number
}

export class PartitionService {
  private readonly options: PartitionServiceOptions
  private readonly remoteWatches = new Map<number, () => void>()
  private nextWatch = 1
  private forwardedBytes = 0
  /** Lanes that have something to send. */
  private readonly laden = new Set<ProduceLane>()
  private turnEnds = false

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
    const lane = this.options.lane(owner)
    const total = items.reduce((sum, item) => sum + item.records.length, 0)
    // A connection's limit does not hold what it left behind when it closed: so these bytes are counted here, until the owner has answered.
    const isTooMuch = this.forwardedBytes > 0 && this.forwardedBytes + total > this.options.maxForwardedBytes()
    if (!lane || isTooMuch) {
      const { code } = lane ? errors.REQUEST_TIMED_OUT : errors.NOT_LEADER_OR_FOLLOWER
      for (const item of items) sink.complete(item.slot, failedAppend(code))
      return
    }
    this.forwardedBytes += total
    lane.forward(items, total, terms, sink)
    this.laden.add(lane)
  }

  /** A way of produced batches to and from another worker, which `notify` reaches. */
  newLane(notify: (method: string, message: object) => void): ProduceLane {
    return new ProduceLane({
      notify,
      append: (topic, partition, records, terms, sink, slot) => this.replicas.append(topic, partition, records, terms, sink, slot),
      turnEnded: () => this.turnEnded(),
      settled: (bytes) => (this.forwardedBytes -= bytes),
    })
  }

  /** What was forwarded leaves, and what was staged is written, once this round of the event loop has read from everyone. */
  turnEnded(): void {
    if (this.turnEnds || (this.laden.size === 0 && !this.replicas.hasStaged)) return
    this.turnEnds = true
    setImmediate(() => {
      this.turnEnds = false
      // First what another worker can go on with meanwhile.
      for (const lane of this.laden) lane.send()
      this.laden.clear()
      this.replicas.flush()
    })
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
