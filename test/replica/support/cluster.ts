// Several ReplicaManagers in one process on real logs, joined by links in memory, under virtual time. The test is the controller: it decides
// leaders and in-sync sets, and answers proposals. Links can be cut, and can flip a bit of what passes.

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { defaultLogConfig, type LogConfig } from '../../../src/log/config.js'
import type { AppendResult } from '../../../src/log/types.js'
import { runPoolTask } from '../../../src/log/pool-tasks.js'
import { errors } from '../../../src/model/errors.js'
import type { ReplicaLink } from '../../../src/replica/fetcher/replica-link.js'
import type { HostedPartition } from '../../../src/replica/hosted-partition.js'
import type { IsrAnswer, LeaderAndIsr } from '../../../src/replica/partition/leader-and-isr.js'
import { ReplicaManager, type TopicSettings } from '../../../src/replica/replica-manager.js'
import type { IsrChange, LogDamage, Replication } from '../../../src/replica/replication.js'
import { defaultReplicationSettings, type ReplicationSettings } from '../../../src/replica/settings.js'
import { batch, readAll, tempDir, TOPIC_ID } from '../../log/support.js'
import { SimEnv } from '../../support/sim-env.js'

const LATENCY_MS = 1

export interface ClusterOptions {
  readonly nodes?: number
  readonly log?: Partial<LogConfig>
  readonly minInsyncReplicas?: number
  readonly settings?: Partial<ReplicationSettings>
  /** Leave proposals unanswered until the test answers them. */
  readonly holdProposals?: boolean
  readonly racks?: Readonly<Record<number, string>>
  /** Data directories that lie elsewhere, by node. */
  readonly dirs?: Readonly<Record<number, string>>
}

export interface Node {
  readonly id: number
  manager: ReplicaManager
  replication: Replication
  readonly damages: LogDamage[]
}

export class Cluster {
  readonly env = new SimEnv(7)
  readonly nodes = new Map<number, Node>()
  /** Broker registrations; a fenced one is missing. */
  readonly epochs = new Map<number, bigint>()
  readonly cut = new Set<number>()
  /** What the topic's *.replication.throttled.replicas say; `reconfigure` tells the nodes. */
  throttled: NonNullable<TopicSettings['throttled']> = { leader: [], follower: [] }
  readonly proposals: IsrChange[] = []
  /** Nodes whose disk was found full, each time it was. */
  readonly full: number[] = []
  /** Changes an answer on its way to the follower. */
  spoil: ((from: number, to: number, body: Uint8Array) => Uint8Array) | undefined
  /** Of this partition no answer reaches this node. */
  lost: { readonly to: number; readonly partition: number } | undefined
  state: LeaderAndIsr
  bytesTo = new Map<number, number>()
  readonly options: ClusterOptions
  private lastEpoch = 100n
  private readonly dir: string
  private readonly held: { change: IsrChange; resolve(answer: IsrAnswer): void; reject(error: Error): void }[] = []

  static async start(t: TestContext, options: ClusterOptions = {}): Promise<Cluster> {
    const cluster = new Cluster(t, options)
    for (const id of cluster.state.replicas) await cluster.boot(id)
    await cluster.run(50)
    return cluster
  }

  private constructor(t: TestContext, options: ClusterOptions) {
    this.options = options
    this.dir = tempDir(t)
    const ids = Array.from({ length: options.nodes ?? 3 }, (_, i) => i + 1)
    this.state = { leader: 1, leaderEpoch: 0, isr: ids, replicas: ids, partitionEpoch: 0 }
    t.after(async () => {
      for (const id of Array.from(this.nodes.keys())) await this.stop(id)
    })
  }

  /** With nothing on its disk. */
  bootEmpty(id: number): Promise<void> {
    rmSync(join(this.dir, String(id)), { recursive: true, force: true })
    return this.boot(id)
  }

  async boot(id: number, highWatermark?: number, recoveryPoint = 0): Promise<void> {
    this.epochs.set(id, ++this.lastEpoch)
    const dir = this.options.dirs?.[id] ?? join(this.dir, String(id))
    mkdirSync(dir, { recursive: true })
    const { log, minInsyncReplicas = 1, settings, racks } = this.options
    const damages: LogDamage[] = []
    const manager = new ReplicaManager({
      env: this.env,
      nodeId: id,
      runInPool: runPoolTask,
      settingsOf: () => ({ log: { ...defaultLogConfig, ...log }, minInsyncReplicas, throttled: this.throttled }),
      replicationSettings: () => ({ ...defaultReplicationSettings, ...settings }),
      brokers: { liveEpochOf: (other) => this.epochs.get(other), rackOf: (other) => racks?.[other] ?? null },
      onCheckpointDue: () => {},
      onLogFailed: () => {},
      onLogFull: () => this.full.push(id),
      moveBytesPerSecond: () => Infinity,
      onMovePrepared: () => Promise.resolve(),
      onMoveEnded: () => {},
      onRecoveryProgress: () => {},
    })
    const replication = manager.replicate({
      link: this.linkOf(id),
      brokerEpoch: () => this.epochs.get(id)!,
      alterIsr: (change) => this.alterIsr(change),
      onLogDamaged: (damage) => damages.push(damage),
      onLogRepaired: () => undefined,
    })
    this.nodes.set(id, { id, manager, replication, damages })
    await this.open(id, 0, recoveryPoint, highWatermark)
  }

  /** Of other partitions than 0 no change of the ISR is decided. */
  open(id: number, partition: number, recoveryPoint = 0, highWatermark?: number): Promise<unknown> {
    const dir = this.options.dirs?.[id] ?? join(this.dir, String(id))
    return this.node(id).manager.open({
      topic: 't',
      topicId: TOPIC_ID,
      partition,
      dir: join(dir, `t-${partition}`),
      cleanShutdown: false,
      recoveryPoint,
      logStartOffset: 0,
      cleanerOffset: 0,
      decision: this.state,
      ...(highWatermark === undefined ? {} : { highWatermark }),
    })
  }

  /** The process ends, and the controller sees it end. */
  async stop(id: number): Promise<void> {
    this.epochs.delete(id)
    const node = this.nodes.get(id)
    this.nodes.delete(id)
    await node?.manager.close(false)
  }

  reconfigure(): void {
    for (const { manager } of this.nodes.values()) manager.reconfigure('t')
  }

  at(id: number): HostedPartition {
    return this.nodes.get(id)!.manager.find('t', 0)!
  }

  node(id: number): Node {
    return this.nodes.get(id)!
  }

  /** A decision of the controller, told to every node that runs (or only to `only`). */
  async decide(change: Partial<LeaderAndIsr>, only?: readonly number[]): Promise<void> {
    const newEpoch = change.leader !== undefined && change.leader !== this.state.leader ? 1 : 0
    this.state = {
      ...this.state,
      leaderEpoch: this.state.leaderEpoch + newEpoch,
      ...change,
      partitionEpoch: this.state.partitionEpoch + 1,
    }
    await this.tell(only)
  }

  async tell(only?: readonly number[]): Promise<void> {
    for (const [id, node] of this.nodes) {
      if (only && !only.includes(id)) continue
      await node.manager.open({
        topic: 't',
        topicId: TOPIC_ID,
        partition: 0,
        dir: '',
        cleanShutdown: false,
        recoveryPoint: 0,
        logStartOffset: 0,
        cleanerOffset: 0,
        decision: this.state,
      })
    }
  }

  /** Produces one batch of `count` records; the error code, or 'waiting' until it is answered. */
  produce(id: number, count = 1, acks = -1, value = 'v', partition = 0): { code: number | 'waiting' } {
    const outcome: { code: number | 'waiting' } = { code: 'waiting' }
    const records = batch(Array.from({ length: count }, () => ({ value })))
    const { manager } = this.node(id)
    const sink = { complete: (_slot: number, { errorCode }: { errorCode: number }) => void (outcome.code = errorCode) }
    manager.append('t', partition, records, { acks, disk: false, apiVersion: 12, origin: 'client' }, sink, 0)
    manager.flush()
    return outcome
  }

  /** An idempotent batch of one record; where it is once it is committed. */
  async produceSequence(id: number, baseSequence: number): Promise<{ errorCode: number; baseOffset: number; duplicate: boolean }> {
    let result: AppendResult | undefined
    const records = batch(1, { producerId: 9, producerEpoch: 0, baseSequence })
    const { manager } = this.node(id)
    const terms = { acks: -1, disk: false, apiVersion: 12, origin: 'client' } as const
    manager.append('t', 0, records, terms, { complete: (_slot, answer) => void (result = answer) }, 0)
    manager.flush()
    await this.until(() => result !== undefined)
    return result!
  }

  run(ms: number): Promise<void> {
    return this.env.advance(ms)
  }

  /** Runs until `holds`, at most `ms` of virtual time. */
  async until(holds: () => boolean, ms = 5000, stepMs = 10): Promise<void> {
    for (let spent = 0; !holds(); spent += stepMs) {
      if (spent > ms) throw new Error(`not within ${ms} ms of virtual time: ${this.describe()}`)
      await this.run(stepMs)
      // fsync, and copies of files, are real: virtual time must not run away from them.
      if (this.options.log?.ack === 'disk') await Promise.all([...this.nodes.keys()].map((id) => this.at(id).log.sync()))
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  describe(): string {
    return [...this.nodes.keys()]
      .map((id) => {
        const { log, state } = this.at(id)
        return `${id}: ${state.role} epoch ${state.leaderEpoch} [${log.logStartOffset}, ${log.logEndOffset}) hw ${state.highWatermark} isr ${state.isr.join()}`
      })
      .join('; ')
  }

  bytes(id: number): Buffer {
    return readAll(this.at(id).log)
  }

  /** Answers the oldest proposal that is held. */
  answerProposal(errorCode = 0): void {
    const { change, resolve } = this.held.shift()!
    resolve(this.judge(change, errorCode))
  }

  loseProposal(): void {
    this.held.shift()!.reject(new Error('the fate is unknown'))
  }

  get heldProposals(): number {
    return this.held.length
  }

  private alterIsr(change: IsrChange): Promise<IsrAnswer> {
    this.proposals.push(change)
    if (this.options.holdProposals) return new Promise((resolve, reject) => this.held.push({ change, resolve, reject }))
    return new Promise((resolve) => this.env.timers.after(LATENCY_MS, () => resolve(this.judge(change, 0))))
  }

  private judge({ proposal }: IsrChange, errorCode: number): IsrAnswer {
    const { state } = this
    let code = errorCode
    if (code === 0 && proposal.leaderEpoch !== state.leaderEpoch) code = errors.FENCED_LEADER_EPOCH.code
    if (code === 0 && proposal.partitionEpoch !== state.partitionEpoch) code = errors.INVALID_UPDATE_VERSION.code
    if (code === 0 && proposal.newIsr.some(({ id, brokerEpoch }) => brokerEpoch >= 0n && brokerEpoch !== this.epochs.get(id)))
      code = errors.INELIGIBLE_REPLICA.code
    if (code === 0) {
      this.state = { ...state, isr: proposal.newIsr.map(({ id }) => id), partitionEpoch: state.partitionEpoch + 1 }
      this.env.timers.after(LATENCY_MS * 2, () => void this.tell())
    }
    return { errorCode: code, leaderEpoch: this.state.leaderEpoch, partitionEpoch: this.state.partitionEpoch, isr: this.state.isr }
  }

  private linkOf(from: number): ReplicaLink {
    return {
      fetch: (leader, parts, onAnswer) =>
        new Promise((resolve, reject) => {
          const isCut = (): boolean => this.cut.has(from) || this.cut.has(leader) || !this.nodes.has(leader) || !this.nodes.has(from)
          const asker = this.nodes.get(from)
          let left = parts.length
          let over = false
          const fail = (): void => {
            if (over) return
            over = true
            reject(new Error('the link is cut'))
          }
          this.env.timers.after(LATENCY_MS, () => {
            if (isCut()) return fail()
            this.node(leader).replication.serveFetch(from, parts, (index, answer) => {
              const body = new Uint8Array(answer.length)
              if (answer instanceof Uint8Array) body.set(answer)
              else answer.write(body, 0)
              this.env.timers.after(LATENCY_MS, () => {
                if (isCut() || this.nodes.get(from) !== asker) return fail()
                this.bytesTo.set(from, (this.bytesTo.get(from) ?? 0) + body.length)
                const { lost } = this
                if (over || (lost?.to === from && lost.partition === parts[index]!.partition)) return
                onAnswer(index, this.spoil ? this.spoil(leader, from, body) : body)
                if (--left === 0) resolve()
              })
            })
          })
          this.env.timers.after(10_000, fail)
        }),
    }
  }
}
