// A session inside the member's own process: the ZnodeClient without a wire. Writes go through the member's order;
// a read waits for this session's earlier writes, so calls take effect in the order they were made. While the member looks for a
// leader the session is suspended: calls fail with connectionLoss, watches stay and fire as the member catches up.

import type { Logger } from '../env/env.js'
import { IN_PROCESS, type EnsembleServer, type MemberRole, type TreeWatcher } from './ensemble-server.js'
import { Listeners } from './listeners.js'
import { ZkCode } from './tree/codes.js'
import { pathProblem } from './tree/path.js'
import { OPEN_ACL, type SingleOp, type Stat, type TxnBody, type TxnResult } from './tree/types.js'
import { statOf, type Znode } from './tree/znode.js'
import type { WatchMode } from './tree/watches.js'
import {
  ZnodeError,
  type ClientState,
  type CreateOptions,
  type MultiOp,
  type MultiResult,
  type NodeData,
  type Watch,
  type WatchCallback,
  type ZnodeClient,
} from './znode-client.js'

/** Of the timeout: the rest is for clocks that run at different speeds, and for what was begun just before. */
const CERTAIN_SHARE = 0.9

export interface LocalSessionOptions {
  readonly sessionId: bigint
  /** IN_PROCESS: it lives as long as the process. */
  readonly timeoutMs: number
  /** Monotonic ms at which its creation was asked for. */
  readonly since: number
  /** Reads wait for it first. */
  readonly readable: Promise<unknown>
  readonly logger: Logger
  /** Told once when the session is expired or closed: it is no longer to be kept alive, even if nobody could be told that it ended. */
  readonly over?: () => void
}

export class LocalSession implements ZnodeClient {
  readonly sessionId: bigint
  readonly #server: EnsembleServer
  readonly #options: LocalSessionOptions
  readonly #watchers = new Set<TreeWatcher>()
  readonly #states = new Listeners<ClientState>()
  readonly #unlisten: (() => void)[]
  /** Settles after the newest write; never rejects. */
  #lastWrite: Promise<unknown>
  #writesUnderWay = 0
  #state: ClientState

  constructor(server: EnsembleServer, options: LocalSessionOptions) {
    this.#server = server
    this.#options = options
    this.sessionId = options.sessionId
    this.#state = server.role === 'looking' ? 'suspended' : 'connected'
    this.#lastWrite = this.#track(options.readable)
    this.#unlisten = [
      server.onRoleChange((role) => this.#onRole(role)),
      server.onSessionEnded((ended) => {
        if (ended === this.sessionId) this.#become('expired')
      }),
    ]
  }

  get state(): ClientState {
    return this.#state
  }

  onState(listener: (state: ClientState) => void): () => void {
    return this.#states.add(listener)
  }

  /** The member has the leader's history again before it says so: a session it does not hold then has ended meanwhile. */
  #onRole(role: MemberRole): void {
    if (role === 'looking') this.#become('suspended')
    else this.#become(this.#server.tree.sessions.has(this.sessionId) ? 'connected' : 'expired')
  }

  #become(state: ClientState): void {
    if (this.#state === state || this.#isOver) return
    this.#state = state
    if (this.#isOver) {
      for (const unlisten of this.#unlisten) unlisten()
      for (const watcher of this.#watchers) this.#server.tree.watches.removeWatcher(watcher)
      this.#watchers.clear()
      this.#options.over?.()
    }
    this.#states.tell(state, this.#options.logger)
  }

  get #isOver(): boolean {
    return this.#state === 'expired' || this.#state === 'closed'
  }

  mayActUntil(): number {
    if (this.#isOver) return 0
    if (this.#options.timeoutMs === IN_PROCESS) return Infinity
    // Its creation was committed after `since`, and whoever leads then, or later, counts its timeout from there at the earliest.
    return Math.max(this.#server.confirmedAt(), this.#options.since) + this.#options.timeoutMs * CERTAIN_SHARE
  }

  async sync(path: string): Promise<void> {
    this.#check(path)
    await this.#server.sync()
  }

  #track(write: Promise<unknown>): Promise<unknown> {
    this.#writesUnderWay++
    const settled = (): void => {
      this.#writesUnderWay--
    }
    return write.then(settled, settled)
  }

  async #write(body: TxnBody, path: string | null): Promise<TxnResult> {
    this.#check(path)
    const via = this.#options.timeoutMs === IN_PROCESS ? {} : { via: this.#server.memberId }
    const write = this.#server.submit({ sessionId: this.sessionId, auth: [], body, ...via })
    this.#lastWrite = this.#track(write)
    const result = await write
    if (result.code === ZkCode.sessionExpired) this.#become('expired')
    if (result.code !== ZkCode.ok) throw new ZnodeError(result.code, path, result.results)
    return result
  }

  async #read(path: string): Promise<Znode | undefined> {
    this.#check(path)
    const problem = pathProblem(path)
    if (problem) throw new ZnodeError(ZkCode.badArguments, path)
    if (this.#writesUnderWay > 0) {
      await this.#lastWrite
      this.#check(path)
    }
    return this.#server.tree.node(path)
  }

  #check(path: string | null): void {
    if (this.#isOver) throw new ZnodeError(ZkCode.sessionExpired, path)
    if (this.#state === 'suspended') throw new ZnodeError(ZkCode.connectionLoss, path)
  }

  #watch(path: string, mode: WatchMode, callback: WatchCallback): Watch {
    const oneShot = mode === 'data' || mode === 'children'
    const watcher: TreeWatcher = {
      deliver: (event) => {
        if (oneShot) this.#watchers.delete(watcher)
        callback(event)
      },
    }
    this.#watchers.add(watcher)
    this.#server.tree.watches.add(path, watcher, mode)
    return {
      remove: () => {
        this.#watchers.delete(watcher)
        this.#server.tree.watches.remove(path, watcher, mode)
      },
    }
  }

  async create(path: string, data: Uint8Array | null, options: CreateOptions = {}): Promise<string> {
    return (await this.create2(path, data, options)).path
  }

  async create2(path: string, data: Uint8Array | null, options: CreateOptions = {}): Promise<{ path: string; stat: Stat }> {
    const result = await this.#write(createOp(path, data, options), path)
    return { path: result.path!, stat: result.stat! }
  }

  async delete(path: string, version = -1): Promise<void> {
    await this.#write({ kind: 'delete', path, version }, path)
  }

  async setData(path: string, data: Uint8Array | null, version = -1): Promise<Stat> {
    return (await this.#write({ kind: 'setData', path, data, version }, path)).stat!
  }

  async multi(ops: readonly MultiOp[]): Promise<MultiResult> {
    const { zxid, results } = await this.#write({ kind: 'multi', ops: ops.map(singleOp) }, null)
    return { zxid, results }
  }

  async exists(path: string, watch?: WatchCallback): Promise<Stat | null> {
    const node = await this.#read(path)
    if (watch) this.#watch(path, 'data', watch)
    return node ? statOf(node) : null
  }

  async getData(path: string, watch?: WatchCallback): Promise<NodeData> {
    const node = await this.#read(path)
    if (!node) throw new ZnodeError(ZkCode.noNode, path)
    if (watch) this.#watch(path, 'data', watch)
    return { data: node.data, stat: statOf(node) }
  }

  async getChildren(path: string, watch?: WatchCallback): Promise<{ names: string[]; stat: Stat }> {
    const node = await this.#read(path)
    if (!node) throw new ZnodeError(ZkCode.noNode, path)
    if (watch) this.#watch(path, 'children', watch)
    return { names: [...node.children], stat: statOf(node) }
  }

  async addWatch(path: string, mode: 'persistent' | 'recursive', callback: WatchCallback): Promise<Watch> {
    await this.#read(path)
    return this.#watch(path, mode, callback)
  }

  async close(): Promise<void> {
    if (this.#isOver) return
    if (this.#state === 'suspended') {
      // Nobody can be told: the session ends by its timeout.
      this.#become('closed')
      return
    }
    const ended = this.#write({ kind: 'closeSession' }, null)
    this.#become('closed')
    await ended
  }
}

function createOp(path: string, data: Uint8Array | null, options: CreateOptions): SingleOp {
  return {
    kind: 'create',
    path,
    data,
    acl: options.acl ?? OPEN_ACL,
    mode: options.mode ?? 'persistent',
    sequential: options.sequential ?? false,
    ttlMs: options.ttlMs ?? 0,
  }
}

function singleOp(op: MultiOp): SingleOp {
  switch (op.kind) {
    case 'create':
      return createOp(op.path, op.data, op)
    case 'delete':
      return { kind: 'delete', path: op.path, version: op.version ?? -1 }
    case 'setData':
      return { kind: 'setData', path: op.path, data: op.data, version: op.version ?? -1 }
    case 'check':
      return op
  }
}
