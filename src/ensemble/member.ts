// An ensemble of one: the tree, its durable store, and the order between them. Transactions get their zxid when
// submitted, go to the log, and are applied, shown to watches and answered only once they are durable. Runs on the
// thread that opened it (the thread coordinator). Sessions here live in this process and end with it; the network's
// sessions and the other members join at this seam.

import type { Env } from '../env/env.js'
import { LocalSession } from './local-session.js'
import { MemberStore, type StoreOptions } from './store/member-store.js'
import { nextZxid } from './store/frames.js'
import { ByteWriter } from './store/bytes.js'
import { writeTxn } from './store/txn-codec.js'
import type { Txn, TxnBody, TxnResult, WatchEvent } from './tree/types.js'
import type { ZnodeTree } from './tree/znode-tree.js'
import { ZkCode } from './tree/codes.js'
import { ZnodeError, type ZnodeClient } from './znode-client.js'

/** ZooKeeper's jute.maxbuffer: what one request may carry. */
const MAX_REQUEST_BYTES = 0xfffff
const IN_PROCESS = 0

export interface MemberOptions {
  readonly dir: string
  readonly env: Env
  /** This member's number; the top byte of the session ids it gives out. */
  readonly memberId?: number
  readonly snapshotAfterBytes?: number
  /** See StoreOptions. */
  readonly write?: StoreOptions['write']
}

export class Member {
  readonly tree: ZnodeTree
  /** In-process sessions were left open: the process that had the directory before did not stop by closing them. */
  readonly stoppedUncleanly: boolean
  readonly #store: MemberStore
  readonly #env: Env
  #nextZxid: bigint
  #nextSession: bigint
  #closing: Promise<void> | null = null
  /** Settles when nothing of a former process is left in the tree. */
  #endingFormer: Promise<unknown> = Promise.resolve()

  private constructor(store: MemberStore, tree: ZnodeTree, options: MemberOptions) {
    this.#store = store
    this.tree = tree
    this.#env = options.env
    this.stoppedUncleanly = [...tree.sessions.values()].some((session) => session.timeoutMs === IN_PROCESS)
    this.#nextZxid = firstAfter(tree)
    this.#nextSession = firstSession(options.memberId ?? 1, options.env.clock.now(), tree)
  }

  /** Recovers the directory and ends what the last process left behind. Synchronous up to the first write. */
  static open(options: MemberOptions): Member {
    const { store, tree } = MemberStore.open({
      dir: options.dir,
      logger: options.env.logger,
      ...(options.snapshotAfterBytes === undefined ? {} : { snapshotAfterBytes: options.snapshotAfterBytes }),
      ...(options.write === undefined ? {} : { write: options.write }),
    })
    const member = new Member(store, tree, options)
    member.#endFormerSessions()
    return member
  }

  /** In-process sessions of a former process cannot come back: their ephemerals go, before any new session sees the tree. */
  #endFormerSessions(): void {
    for (const [id, session] of this.tree.sessions) {
      if (session.timeoutMs !== IN_PROCESS) continue
      this.#endingFormer = this.submit({ sessionId: id, auth: [], body: { kind: 'closeSession' } }).catch((error: Error) => {
        this.#env.logger.error({ error: error.message }, 'ending a former session failed')
      })
    }
  }

  /** A new in-process session. Its first calls travel with its creation: one durable write covers them all. */
  connect(): ZnodeClient {
    const sessionId = this.#nextSession++
    const password = this.#env.random.bytes(16)
    const created = this.submit({ sessionId, auth: [], body: { kind: 'createSession', timeoutMs: IN_PROCESS, password } })
    // A failed store fails every call after this one too, each with its reason.
    created.catch(() => undefined)
    return new LocalSession(this, sessionId, this.#endingFormer)
  }

  /** Orders, logs and applies one transaction. Resolves with its result (also a refusing one), rejects when the store fails. */
  submit(txn: Txn): Promise<TxnResult> {
    if (this.#closing && txn.body.kind !== 'closeSession') return Promise.reject(new ZnodeError(ZkCode.connectionLoss, null))
    if (isTooLarge(txn.body)) return Promise.reject(new ZnodeError(ZkCode.badArguments, null))
    const zxid = this.#nextZxid
    this.#nextZxid = nextZxid(zxid)
    const time = this.#env.clock.now()
    return new Promise((resolve, reject) => {
      this.#store.append(zxid, time, txn, (error) => {
        if (error) {
          // Nothing after it was taken either, so the order goes on where the tree stands.
          this.#nextZxid = firstAfter(this.tree)
          reject(error)
        } else resolve(this.#apply(txn, zxid, time))
      })
    })
  }

  #apply(txn: Txn, zxid: bigint, time: number): TxnResult {
    const { result, deliveries } = this.tree.apply(txn, zxid, time)
    // Events BEFORE the answer: whoever awaits the result has seen what it changed.
    for (const { watcher, event } of deliveries) (watcher as LocalWatcher).deliver(event)
    if (this.#store.wantsSnapshot) void this.#store.snapshot(this.tree)
    return result
  }

  /** Writes a snapshot now. */
  snapshot(): Promise<void> {
    return this.#store.snapshot(this.tree)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#store.close(this.tree)
  }
}

/** History starts at counter 1 of epoch 1. */
function firstAfter(tree: ZnodeTree): bigint {
  return tree.lastZxid === 0n ? (1n << 32n) | 1n : nextZxid(tree.lastZxid)
}

/** What stands in the tree's watch tables for an in-process callback. */
export interface LocalWatcher {
  deliver(event: WatchEvent): void
}

/** ZooKeeper's form: the member's number in the top byte, then the start time, so that ids do not repeat across restarts. */
function firstSession(memberId: number, now: number, tree: ZnodeTree): bigint {
  let id = BigInt.asIntN(64, (BigInt(memberId) << 56n) | ((BigInt(now) << 16n) & 0x00ff_ffff_ffff_ffffn))
  for (const used of tree.sessions.keys()) if (used >= id && used >> 56n === id >> 56n) id = used + 1n
  return id
}

/** Measured only when it could be: the sum of data is a lower bound that most requests are far below. */
function isTooLarge(body: TxnBody): boolean {
  const ops = body.kind === 'multi' ? body.ops : [body]
  let bytes = 0
  for (const op of ops) {
    bytes += 256
    if ((op.kind === 'create' || op.kind === 'setData') && op.data) bytes += op.data.length
  }
  if (bytes < MAX_REQUEST_BYTES / 2) return false
  const out = new ByteWriter(bytes)
  writeTxn(out, 0n, 0, { sessionId: 0n, auth: [], body })
  return out.length > MAX_REQUEST_BYTES
}
