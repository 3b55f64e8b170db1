// What the rest of a node sees of the ensemble, whichever it is: the member in this process, or later a session
// over TCP to an embedded or a real ZooKeeper ensemble. A client is one session. Calls of one client take effect
// in the order they were made, and a watch event is delivered before any answer that shows the change. What was in flight
// when a connection broke rejects with connectionLoss: nothing is repeated silently, the caller reads back and decides.

import { ZkCode, zkCodeName } from './tree/codes.js'
import type { Acl, CreateMode, OpResult, Stat, WatchEvent } from './tree/types.js'

/** A refused or failed operation; `zkCode` is ZooKeeper's number. */
export class ZnodeError extends Error {
  readonly code = 'ERR_MILLRACE_ZNODE'
  readonly zkCode: number
  readonly path: string | null
  /** For a failed multi: what ZooKeeper answers per operation. */
  readonly results: readonly OpResult[]

  constructor(zkCode: number, path: string | null, results: readonly OpResult[] = [], more = '') {
    super(`${zkCodeName(zkCode)}${path === null ? '' : ` for ${path}`}${more === '' ? '' : `: ${more}`}`)
    this.zkCode = zkCode
    this.path = path
    this.results = results
  }
}

export function isZnodeError(error: unknown, zkCode: number): error is ZnodeError {
  return error instanceof ZnodeError && error.zkCode === zkCode
}

export interface CreateOptions {
  readonly mode?: CreateMode
  readonly sequential?: boolean
  readonly acl?: readonly Acl[]
  readonly ttlMs?: number
}

export type MultiOp =
  | ({ readonly kind: 'create'; readonly path: string; readonly data: Uint8Array | null } & CreateOptions)
  | { readonly kind: 'delete'; readonly path: string; readonly version?: number }
  | { readonly kind: 'setData'; readonly path: string; readonly data: Uint8Array | null; readonly version?: number }
  | { readonly kind: 'check'; readonly path: string; readonly version: number }

export interface MultiResult {
  readonly zxid: bigint
  /** In the order of the operations: created path and stat, or the stat after setData. */
  readonly results: readonly OpResult[]
}

export interface NodeData {
  readonly data: Uint8Array | null
  readonly stat: Stat
}

export interface Watch {
  /** Takes the watch off; events already under way may still arrive. */
  remove(): void
}

export type WatchCallback = (event: WatchEvent) => void

/**
 * `suspended`: no server answers at the moment; the session may live on, and calls are queued or fail with connectionLoss.
 * `expired` and `closed` are final: the object is of no more use, its holder makes a new one.
 */
export type ClientState = 'connected' | 'suspended' | 'expired' | 'closed'

export interface ZnodeClient {
  readonly sessionId: bigint
  readonly state: ClientState
  /** Told of every change of `state` from now on. Returns what takes the listener off. */
  onState(listener: (state: ClientState) => void): () => void
  /**
   * Monotonic milliseconds until which this session is certainly alive as seen from here; after it a leader or controller stops acting
   * until it is heard of again. Infinity where nobody can end the session from outside (an ensemble of one, in this process).
   */
  mayActUntil(): number
  /** What the leader had committed when it got this is visible to this session's reads when it resolves. */
  sync(path: string): Promise<void>
  /** Resolves with the path made (with its suffix when sequential). */
  create(path: string, data: Uint8Array | null, options?: CreateOptions): Promise<string>
  create2(path: string, data: Uint8Array | null, options?: CreateOptions): Promise<{ readonly path: string; readonly stat: Stat }>
  /** `version` -1 or absent: any. */
  delete(path: string, version?: number): Promise<void>
  /** Null when there is no such node; a `watch` is told of its creation, change or deletion, once. */
  exists(path: string, watch?: WatchCallback): Promise<Stat | null>
  getData(path: string, watch?: WatchCallback): Promise<NodeData>
  setData(path: string, data: Uint8Array | null, version?: number): Promise<Stat>
  /** Names, not paths; in no particular order. */
  getChildren(path: string, watch?: WatchCallback): Promise<{ readonly names: string[]; readonly stat: Stat }>
  /** All or nothing under one zxid. Rejects with the failing operation's code and every operation's result. */
  multi(ops: readonly MultiOp[]): Promise<MultiResult>
  addWatch(path: string, mode: 'persistent' | 'recursive', callback: WatchCallback): Promise<Watch>
  /** Ends the session: its ephemerals are gone when this resolves. */
  close(): Promise<void>
}

/** The node's data, or null when there is no such node. */
export async function readIfPresent(client: ZnodeClient, path: string): Promise<NodeData | null> {
  try {
    return await client.getData(path)
  } catch (error) {
    if (isZnodeError(error, ZkCode.noNode)) return null
    throw error
  }
}
