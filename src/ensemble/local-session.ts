// A session inside the member's own process: the ZnodeClient without a wire. Writes go through the member's order;
// a read waits for this session's earlier writes, so calls take effect in the order they were made.

import type { LocalWatcher, Member } from './member.js'
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

export class LocalSession implements ZnodeClient {
  readonly sessionId: bigint
  readonly #member: Member
  readonly #watchers = new Set<LocalWatcher>()
  /** Settles after the newest write; never rejects. */
  #lastWrite: Promise<unknown>
  #writesUnderWay = 0
  #closed = false
  readonly #stateListeners = new Set<(state: ClientState) => void>()

  /** Reads wait for `readable` first. */
  constructor(member: Member, sessionId: bigint, readable: Promise<unknown>) {
    this.#member = member
    this.sessionId = sessionId
    this.#lastWrite = this.#track(readable)
  }

  get state(): ClientState {
    return this.#closed ? 'closed' : 'connected'
  }

  onState(listener: (state: ClientState) => void): () => void {
    this.#stateListeners.add(listener)
    return () => void this.#stateListeners.delete(listener)
  }

  /** Nobody but this process ends an in-process session of an ensemble of one. */
  mayActUntil(): number {
    return this.#closed ? 0 : Infinity
  }

  async sync(path: string): Promise<void> {
    await this.#read(path)
  }

  #track(write: Promise<unknown>): Promise<unknown> {
    this.#writesUnderWay++
    const settled = (): void => {
      this.#writesUnderWay--
    }
    return write.then(settled, settled)
  }

  async #write(body: TxnBody, path: string | null): Promise<TxnResult> {
    if (this.#closed) throw new ZnodeError(ZkCode.sessionExpired, path)
    const write = this.#member.submit({ sessionId: this.sessionId, auth: [], body })
    this.#lastWrite = this.#track(write)
    const result = await write
    if (result.code !== ZkCode.ok) throw new ZnodeError(result.code, path, result.results)
    return result
  }

  async #read(path: string): Promise<Znode | undefined> {
    if (this.#closed) throw new ZnodeError(ZkCode.sessionExpired, path)
    const problem = pathProblem(path)
    if (problem) throw new ZnodeError(ZkCode.badArguments, path)
    if (this.#writesUnderWay > 0) await this.#lastWrite
    return this.#member.tree.node(path)
  }

  #watch(path: string, mode: WatchMode, callback: WatchCallback): Watch {
    const oneShot = mode === 'data' || mode === 'children'
    const watcher: LocalWatcher = {
      deliver: (event) => {
        if (oneShot) this.#watchers.delete(watcher)
        callback(event)
      },
    }
    this.#watchers.add(watcher)
    this.#member.tree.watches.add(path, watcher, mode)
    return {
      remove: () => {
        this.#watchers.delete(watcher)
        this.#member.tree.watches.remove(path, watcher, mode)
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
    if (this.#closed) return
    const ended = this.#write({ kind: 'closeSession' }, null)
    this.#closed = true
    for (const listener of this.#stateListeners) listener('closed')
    for (const watcher of this.#watchers) this.#member.tree.watches.removeWatcher(watcher)
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
