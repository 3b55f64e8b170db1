// API 1, Fetch. 4: isolation level. 5: log start offset. 7: sessions. 9: leader epoch. 11: rack. 12: flexible, last fetched epoch.
// 13: topic ids. 15: replica state is tagged. 16: node endpoints. 18: high watermark is tagged.
// Plans first (which file ranges), then the answer; the bytes are read as the socket takes them. Waits for min_bytes by watching the
// high watermarks of what is asked, never by polling.

import type { MetadataImage } from '../../controller/image.js'
import { errors } from '../../model/errors.js'
import type { FetchRequest, FetchResponse } from '../../protocol/schema/fetch.js'
import { failedFetch, type FetchOutcome, type FetchReader } from '../../replica/fetch-plan.js'
import { isRackAware } from '../replication-settings.js'
import type { SpreadPlans } from '../spread-plans.js'
import { isEnough } from '../standing-look.js'
import { currentLeader, NO_LEADER } from './cluster-view.js'
import { type FetchContext, hasNews, remember, rotate, type WantedPartition } from './fetch-session.js'
import type { HandlerContext, RequestContext } from './handler.js'

const READ_COMMITTED = 1
const NO_EPOCH = { epoch: -1, endOffset: -1 } as const
const NO_SNAPSHOT = { endOffset: -1, epoch: -1 } as const
const NO_RECORDS = new Uint8Array(0)

type Waiting = Exclude<FetchContext, { kind: 'error' }>
type PartitionAnswer = FetchResponse['responses'][number]['partitions'][number]

export function handleFetch(
  request: FetchRequest,
  context: RequestContext,
  broker: HandlerContext,
): FetchResponse | Promise<FetchResponse> {
  // Followers of this system fetch over the link. Whoever claims to be one here would move in-sync sets.
  const replicaId = context.version >= 15 ? request.replicaState.replicaId : request.replicaId
  if (replicaId >= 0) return { throttleTimeMs: 0, errorCode: errors.INVALID_REQUEST.code, sessionId: 0, responses: [], nodeEndpoints: [] }
  const image = broker.image()
  const { fetchSessions, partitions, configs } = broker.services
  const fetch = fetchSessions.context(request, context.version, broker.env.clock.monotonic(), (id) => image.topicNames.get(id))
  if (fetch.kind === 'error') return { throttleTimeMs: 0, errorCode: fetch.errorCode, sessionId: 0, responses: [], nodeEndpoints: [] }
  const maxBytes = Math.min(request.maxBytes, configs.getNumber('fetch.max.bytes'))
  const job = new FetchJob(request, context, broker, fetch, maxBytes)
  const { affinity } = context
  if (affinity && fetch.session) affinity.fetchSession = fetch.session.id
  if (!partitions.ownsAll(fetch.wanted)) return job.runAcrossWorkers()
  affinity?.asked(partitions.worker, fetch.wanted.length)
  return job.runHere()
}

class FetchJob {
  private readonly request: FetchRequest
  private readonly context: RequestContext
  private readonly broker: HandlerContext
  private readonly fetch: Waiting
  private readonly maxBytes: number
  private readonly reader: FetchReader
  private readonly deadline: number

  constructor(request: FetchRequest, context: RequestContext, broker: HandlerContext, fetch: Waiting, maxBytes: number) {
    this.request = request
    this.context = context
    this.broker = broker
    this.fetch = fetch
    this.maxBytes = maxBytes
    this.reader = {
      readCommitted: request.isolationLevel === READ_COMMITTED,
      // Clients from before say nothing of a rack and know no other place to read than the leader.
      rackId: context.version >= 11 ? request.rackId : null,
      rackAware: request.rackId !== '' && isRackAware(broker.services.configs),
    }
    this.deadline = broker.env.clock.monotonic() + request.maxWaitMs
  }

  runHere(): FetchResponse | Promise<FetchResponse> {
    const outcomes = this.planHere()
    return this.isEnough(outcomes) ? this.answer(outcomes) : this.waitHere()
  }

  async runAcrossWorkers(): Promise<FetchResponse> {
    const { maxWaitMs, minBytes } = this.request
    const waits = maxWaitMs > 0 ? minBytes : 0
    const { affinity, connection } = this.context
    const plans = this.broker.services.partitions.spreadPlans(this.items(), this.reader, this.maxBytes, waits, connection)
    for (const [owner, count] of plans.owners()) affinity?.asked(owner, count)
    await plans.look()
    if (!this.isEnough(plans.outcomes)) return this.waitForNews(plans)
    this.leave(plans)
    return this.answerWith(plans)
  }

  /** What other workers watch is there for the next fetch of the connection. */
  private leave(plans: SpreadPlans): void {
    const { connection } = this.context
    if (connection && this.context.isOpen()) this.broker.services.partitions.keepLooks(plans, connection)
    else plans.stop()
  }

  private answerWith({ outcomes }: SpreadPlans): FetchResponse {
    return this.answer(this.withUnknown([...outcomes]))
  }

  private planHere(): FetchOutcome[] {
    return this.withUnknown(this.broker.services.partitions.planLocal(this.items(), this.reader, this.maxBytes, true))
  }

  private items(): readonly WantedPartition[] {
    return this.fetch.wanted
  }

  /** A partition that no worker has may not exist at all: the image knows better what to call that. */
  private withUnknown(outcomes: FetchOutcome[]): FetchOutcome[] {
    const image = this.broker.image()
    for (let i = 0; i < outcomes.length; i++) {
      if (outcomes[i]!.errorCode === errors.NOT_LEADER_OR_FOLLOWER.code)
        outcomes[i] = this.named(this.fetch.wanted[i]!, image, outcomes[i]!)
    }
    return outcomes
  }

  private named(wanted: WantedPartition, image: MetadataImage, outcome: FetchOutcome): FetchOutcome {
    if (wanted.topic === '') return failedFetch(errors.UNKNOWN_TOPIC_ID.code)
    const topic = image.topics.get(wanted.topic)
    if (!topic || wanted.partition < 0 || wanted.partition >= topic.partitions.length)
      return failedFetch(errors.UNKNOWN_TOPIC_OR_PARTITION.code)
    return outcome
  }

  private isEnough(outcomes: readonly FetchOutcome[]): boolean {
    return outcomes.length === 0 || this.request.maxWaitMs <= 0 || isEnough(outcomes, this.request.minBytes)
  }

  /** Owners tell what they have, until it is enough or the client's time is up. */
  private waitForNews(plans: SpreadPlans): Promise<FetchResponse> {
    const { env } = this.broker
    return new Promise((resolve, reject) => {
      let over = false
      const finish = async (): Promise<void> => {
        over = true
        timer.cancel()
        if (this.request.minBytes > 1) {
          plans.stop()
          // Files that were planned a while ago may have been replaced since.
          if (this.context.isOpen()) await plans.look()
        } else this.leave(plans)
        resolve(this.context.isOpen() ? this.answerWith(plans) : this.answer([]))
      }
      plans.onNews = () => {
        if (!over && (!this.context.isOpen() || this.isEnough(plans.outcomes))) finish().catch(reject)
      }
      const timer = env.timers.after(Math.max(0, this.deadline - env.clock.monotonic()), () => void finish().catch(reject))
      // What moved between the first look and now.
      plans.onNews()
    })
  }

  /** Looks again at every move of a high watermark, until there is enough or the client's time is up. All partitions are here. */
  private waitHere(): Promise<FetchResponse> {
    const { env, services } = this.broker
    return new Promise((resolve, reject) => {
      let stopWatching = (): void => {}
      let over = false
      const finish = (outcomes: FetchOutcome[]): void => {
        over = true
        stopWatching()
        timer.cancel()
        resolve(this.answer(outcomes))
      }
      const look = (expired: boolean): void => {
        if (over) return
        stopWatching()
        if (!this.context.isOpen()) return finish([])
        // Again each time: a partition may have come here meanwhile.
        stopWatching = services.partitions.watch(this.fetch.wanted, wake)
        const outcomes = this.planHere()
        if (expired || this.isEnough(outcomes)) finish(outcomes)
      }
      // Called from within an append: what fails here is this fetch's own.
      const tryToLook = (expired: boolean): void => {
        try {
          look(expired)
        } catch (error) {
          over = true
          stopWatching()
          reject(error as Error)
        }
      }
      const wake = (): void => tryToLook(false)
      const timer = env.timers.after(Math.max(0, this.deadline - env.clock.monotonic()), () => tryToLook(true))
      wake()
    })
  }

  private answer(outcomes: readonly FetchOutcome[]): FetchResponse {
    const { fetch } = this
    const responses: { topic: string; topicId: string; partitions: PartitionAnswer[] }[] = []
    const served: WantedPartition[] = []
    outcomes.forEach((outcome, i) => {
      const wanted = fetch.wanted[i]!
      if (outcome.plan && fetch.session) served.push(wanted)
      if (fetch.kind === 'incremental') {
        if (!hasNews(wanted, outcome)) return
      } else remember(wanted, outcome)
      let last = responses.at(-1)
      if (!last || last.topic !== wanted.topic || last.topicId !== wanted.topicId) {
        last = { topic: wanted.topic, topicId: wanted.topicId, partitions: [] }
        responses.push(last)
      }
      last.partitions.push(this.partitionAnswer(wanted, outcome))
    })
    if (fetch.session) rotate(fetch.session, served)
    return { throttleTimeMs: 0, errorCode: 0, sessionId: fetch.sessionId, responses, nodeEndpoints: [] }
  }

  private partitionAnswer(wanted: WantedPartition, planned: FetchOutcome): PartitionAnswer {
    let outcome = planned
    let records: Uint8Array = NO_RECORDS
    try {
      if (planned.plan) records = this.broker.services.openRecords(wanted.topic, wanted.partition, planned.plan)
    } catch {
      // The file is gone since another worker planned the read: the topic was deleted, or retention passed by.
      outcome = this.named(wanted, this.broker.image(), failedFetch(errors.NOT_LEADER_OR_FOLLOWER.code))
      remember(wanted, outcome)
    }
    const { errorCode, highWatermark, lastStableOffset, logStartOffset, abortedTransactions, divergingEpoch } = outcome
    return {
      partitionIndex: wanted.partition,
      errorCode,
      highWatermark,
      lastStableOffset,
      logStartOffset,
      divergingEpoch: divergingEpoch ?? NO_EPOCH,
      currentLeader:
        errorCode === errors.NOT_LEADER_OR_FOLLOWER.code || errorCode === errors.FENCED_LEADER_EPOCH.code
          ? currentLeader(this.broker.image(), wanted.topic, wanted.partition)
          : NO_LEADER,
      snapshotId: NO_SNAPSHOT,
      abortedTransactions: this.reader.readCommitted ? abortedTransactions : null,
      preferredReadReplica: outcome.preferredReadReplica,
      records,
    }
  }
}
