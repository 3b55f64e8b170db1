// The one door to partitions for handlers: does the work here when this worker owns the partition, or groups it by owner and crosses
// the mailbox once per owner. Runs on every worker.

import type { Env } from '../env/env.js'
import { errors } from '../model/errors.js'
import type { TopicPartition } from '../model/topic-partition.js'
import { failedFetch, type FetchItem, type FetchOutcome, type FetchReader } from '../replica/fetch-plan.js'
import { type AppendTerms, failedAppend } from '../replica/hosted-partition.js'
import type { DeleteRecordsAnswer } from '../replica/purgatory/delete-queue.js'
import type { ProduceSink } from '../replica/purgatory/produce-queue.js'
import * as operations from '../replica/partition-operations.js'
import type { ReplicaManager } from '../replica/replica-manager.js'
import { type Caller, type MailboxHandler } from '../threads/mailbox.js'
import { ownerOf, type PlacementTable } from '../threads/placement.js'
import { KeptLooks } from './kept-looks.js'
import { type ProduceItem, ProduceLane } from './produce-lane.js'
import { SpreadPlans, type SpreadPlansDoors } from './spread-plans.js'
import { type LookNews, type LookTerms, StandingLook } from './standing-look.js'
import { WatchedLooks } from './watched-looks.js'

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

export interface PartitionServiceOptions {
  readonly env: Pick<Env, 'clock' | 'timers'>
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
  /** What other workers watch for fetches here. */
  private readonly looks = new Map<number, StandingLook>()
  private nextLook = 1
  private forwardedBytes = 0
  /** Lanes that have something to send. */
  private readonly laden = new Set<ProduceLane>()
  private turnEnds = false

  private readonly spreadDoors: SpreadPlansDoors
  private readonly keptLooks: KeptLooks

  constructor(options: PartitionServiceOptions) {
    this.options = options
    this.keptLooks = new KeptLooks(options.env)
    this.spreadDoors = {
      owner: (topic, partition) => this.owner(topic, partition),
      isHere: (owner) => owner === options.worker || owner === -1,
      peer: (owner) => options.peer(owner),
      ask: (owner, peer, terms) => this.look(owner, peer, terms),
      planHere: (items, reader, maxBytes) => this.planLocal(items, reader, maxBytes, true),
      watchHere: (items, wake) => this.watchTurns(items, wake),
    }
  }

  /** The number of this one. */
  get worker(): number {
    return this.options.worker
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
  newLane(notify: (method: string, message: object) => void, ringBytes?: number): ProduceLane {
    return new ProduceLane({
      ...(ringBytes === undefined ? {} : { ringBytes }),
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
    // Not by map: that makes an array with holes in V8's eyes, which crosses threads key by key.
    const outcomes: FetchOutcome[] = []
    for (const item of items) {
      const hosted = this.replicas.find(item.topic, item.partition)
      if (!hosted) {
        outcomes.push(failedFetch(this.replicas.missingCode(item.topic, item.partition)))
        continue
      }
      const outcome = hosted.planFetch(item, reader, Math.max(0, budget), first)
      if (outcome.plan) {
        budget -= outcome.plan.size
        first = false
      }
      outcomes.push(outcome)
    }
    return outcomes
  }

  /** For a fetch of what several workers own. `minBytes` 0: it does not wait. `connection`: it came by this one. */
  spreadPlans(items: readonly FetchItem[], reader: FetchReader, maxBytes: number, minBytes: number, connection?: object): SpreadPlans {
    const kept = connection ? this.keptLooks.take(connection) : []
    return new SpreadPlans(this.spreadDoors, items, reader, maxBytes, minBytes, kept)
  }

  /** The fetch is answered; what other workers watch for it is there for the next one of the connection. */
  keepLooks(plans: SpreadPlans, connection: object): void {
    this.keptLooks.keep(connection, plans.leave())
  }

  /** Calls `wake` at every move of any of these partitions' high watermarks, as far as they are here. Returns how to stop. */
  watch(items: readonly TopicPartition[], wake: () => void): () => void {
    return this.watchEach(items, wake)
  }

  private watchEach(items: readonly TopicPartition[], moved: (place: number) => void): () => void {
    const stops: (() => void)[] = []
    items.forEach(({ topic, partition }, place) => {
      const hosted = this.replicas.find(topic, partition)
      if (hosted) stops.push(hosted.watch(() => moved(place)))
    })
    return () => {
      for (const stop of stops) stop()
    }
  }

  /** As `watch`, but once for all that a turn moves: other partitions that it writes move with the first. */
  private watchTurns(items: readonly FetchItem[], wake: () => void): () => void {
    let isDue = false
    let stopped = false
    const stop = this.watch(items, () => {
      if (isDue) return
      isDue = true
      queueMicrotask(() => {
        isDue = false
        if (!stopped) wake()
      })
    })
    return () => {
      stopped = true
      stop()
    }
  }

  private look(owner: number, peer: Caller, terms: LookTerms): StandingLook {
    const id = this.nextLook++
    const nowMs = this.options.env.clock.monotonic()
    const look = new StandingLook({ owner, peer, id, nowMs, ended: () => this.looks.delete(id) }, terms)
    if (look.stands) this.looks.set(id, look)
    return look
  }

  /** What another worker's fetches wait for here, until that is gone. */
  watchedLooks(tell: (news: LookNews) => void): WatchedLooks {
    return new WatchedLooks({
      plan: (items, reader, maxBytes) => this.planLocal(items, reader, maxBytes, true),
      watch: (items, moved) => this.watchEach(items, moved),
      tell,
    })
  }

  /** What other workers may ask of this one. */
  handlers(): [string, MailboxHandler][] {
    return [
      [
        'ask',
        ({ name, questions }: { name: QuestionName; questions: never[] }) =>
          Promise.all(questions.map(async (question) => answers[name](this.replicas, question))),
      ],
      ['told', (news: LookNews) => this.looks.get(news.id)?.told(news)],
      ['describeLogs', () => operations.describeLogs(this.replicas)],
    ]
  }
}
