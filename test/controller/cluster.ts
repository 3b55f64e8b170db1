// Several nodes' control planes in one process, over one ensemble of one: each has its own session, which a test can
// expire, cut off, or make lose answers.

import path from 'node:path'
import type { TestContext } from 'node:test'
import { ControllerNode } from '../../src/controller/controller-node.js'
import type { BrokerAnnouncement } from '../../src/controller/registration.js'
import type { ControllerRules } from '../../src/controller/rules.js'
import { Member } from '../../src/ensemble/member.js'
import { ZkCode } from '../../src/ensemble/tree/codes.js'
import { ZnodeError, type ClientState, type ZnodeClient } from '../../src/ensemble/znode-client.js'
import { realEnv } from '../../src/env/real.js'
import { tempDir } from '../ensemble/helpers.js'

export class FaultySession {
  readonly client: ZnodeClient
  readonly calls = new Map<string, number>()
  /** Take effect, and answer connectionLoss: how many of the next writes. */
  loseAnswers = 0
  /** Fail before they take effect: how many of the next writes. */
  loseRequests = 0
  /** Answer connectionLoss, and take effect right before the next write: how many of the next writes. */
  lateRequests = 0
  readonly #late: (() => unknown)[] = []
  #state: ClientState = 'connected'
  #mayActUntil = Infinity
  readonly #listeners = new Set<(state: ClientState) => void>()
  readonly #inner: ZnodeClient
  readonly #member: Member

  constructor(inner: ZnodeClient, member: Member) {
    this.#inner = inner
    this.#member = member
    const own: Record<string, unknown> = {
      onState: (listener: (state: ClientState) => void) => {
        this.#listeners.add(listener)
        return () => void this.#listeners.delete(listener)
      },
      mayActUntil: () => this.#mayActUntil,
    }
    this.client = new Proxy(inner, {
      get: (target, name) => {
        if (name === 'state') return this.#state
        if (typeof name === 'string' && name in own) return own[name]
        const value = Reflect.get(target, name) as unknown
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => this.#call(String(name), () => (value as (...all: unknown[]) => unknown).apply(target, args))
      },
    })
  }

  #call(name: string, run: () => unknown): unknown {
    this.calls.set(name, (this.calls.get(name) ?? 0) + 1)
    const writes = ['multi', 'create', 'create2', 'setData', 'delete'].includes(name)
    if (writes && this.loseRequests > 0) {
      this.loseRequests--
      return Promise.reject(new ZnodeError(ZkCode.connectionLoss, null))
    }
    if (writes && this.lateRequests > 0) {
      this.lateRequests--
      this.#late.push(run)
      return Promise.reject(new ZnodeError(ZkCode.connectionLoss, null))
    }
    if (writes) for (const late of this.#late.splice(0)) void late()
    const result = run()
    if (!writes || this.loseAnswers === 0) return result
    this.loseAnswers--
    return (result as Promise<unknown>).then(
      () => Promise.reject(new ZnodeError(ZkCode.connectionLoss, null)),
      () => Promise.reject(new ZnodeError(ZkCode.connectionLoss, null)),
    )
  }

  set(state: ClientState, mayActUntil = Infinity): void {
    this.#state = state
    this.#mayActUntil = mayActUntil
    for (const listener of this.#listeners) listener(state)
  }

  /** The ensemble ends the session. `told`: the node hears of it; else it is a zombie. */
  async expire(told = true): Promise<void> {
    await this.#member.submit({ sessionId: this.#inner.sessionId, auth: [], body: { kind: 'closeSession' } })
    if (told) this.set('expired', 0)
  }

  count(...names: string[]): number {
    return names.reduce((sum, name) => sum + (this.calls.get(name) ?? 0), 0)
  }
}

export interface TestNode {
  readonly id: number
  readonly node: ControllerNode
  /** The newest session. */
  readonly session: () => FaultySession
}

export class Cluster {
  readonly member: Member
  readonly nodes = new Map<number, TestNode>()
  readonly topicRules = new Map<string, { minIsr: number; uncleanElection: boolean }>()
  readonly #t: TestContext

  constructor(t: TestContext) {
    this.#t = t
    this.member = Member.open({ dir: path.join(tempDir(t), 'ensemble'), env: realEnv() })
    // The control plane's own timers keep no process alive.
    const alive = setInterval(() => undefined, 1_000)
    t.after(async () => {
      clearInterval(alive)
      await this.member.close()
    })
  }

  get rules(): ControllerRules {
    return {
      defaults: () => ({ numPartitions: 1, replicationFactor: 3 }),
      partitionRules: (topic) => this.topicRules.get(topic) ?? { minIsr: 1, uncleanElection: false },
      promisesDisk: (overrides) => overrides.get('millrace.ack') === 'disk',
      validateConfig: () => null,
      listDefault: () => '',
    }
  }

  async start(id: number, more: Partial<BrokerAnnouncement> & { identity?: string; strangerLimitMs?: number } = {}): Promise<TestNode> {
    const { identity, strangerLimitMs, ...announced } = more
    let session: FaultySession | undefined
    const node = await ControllerNode.start({
      env: realEnv(),
      nodeId: id,
      identity: identity ?? `directory-${id}`,
      connect: () => {
        session = new FaultySession(this.member.connect(), this.member)
        return session.client
      },
      rules: () => this.rules,
      announcement: () => ({
        endpoints: [{ name: 'PLAINTEXT', host: `node-${id}`, port: 9092, securityProtocol: 'PLAINTEXT' }],
        rack: null,
        features: new Map([['millrace.version', { min: 1, max: 3 }]]),
        logDirs: [],
        uncleanShutdown: false,
        lostWrites: false,
        ...announced,
      }),
      deadlineMs: 5_000,
      ...(strangerLimitMs === undefined ? {} : { strangerLimitMs }),
      call: async (to, body) => {
        const peer = this.nodes.get(to)
        if (!peer) throw new Error(`node ${to} is not there`)
        return peer.node.router.handle(id, body)
      },
    })
    const started = { id, node, session: () => session! }
    this.nodes.set(id, started)
    this.#t.after(() => node.close().catch(() => undefined))
    return started
  }

  async startAll(...ids: number[]): Promise<TestNode[]> {
    const nodes: TestNode[] = []
    for (const id of ids) {
      const each = await this.start(id)
      await each.node.ready()
      nodes.push(each)
    }
    return nodes
  }

  /** The node that acts as controller. */
  async controller(except = -1): Promise<TestNode> {
    return until(() =>
      [...this.nodes.values()].find(({ id, node }) => id !== except && node.controller !== null && !node.controller.resigned),
    )
  }

  /** As a process that is killed: its session ends, and nothing of it acts any more. */
  async kill(id: number): Promise<void> {
    const { node, session } = this.nodes.get(id)!
    this.nodes.delete(id)
    node.candidate.stop()
    node.registration.stop()
    node.view.close()
    await session().expire(false)
  }
}

/** Looks again after every turn until `find` finds; a test's own time limit ends it. */
export async function until<T>(find: () => T | undefined | null | false): Promise<T> {
  for (;;) {
    const found = find()
    if (found !== undefined && found !== null && found !== false) return found
    await new Promise((resolve) => setImmediate(resolve))
  }
}
