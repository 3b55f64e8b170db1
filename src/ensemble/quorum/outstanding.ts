// Requests of this process that went to the leader and whose result is not known yet, by the number that they carry. When the leader is lost
// all of them are: whether they took effect is for whoever made them to find out.

import { ZkCode } from '../tree/codes.js'
import type { TxnResult } from '../tree/types.js'
import { ZnodeError } from '../znode-client.js'

/** ZooKeeper's globalOutstandingLimit is 1,000 and slows clients down. */
const MAX_REQUESTS = 65_536

interface Waiting<T> {
  resolve(result: T): void
  reject(error: Error): void
}

/** What has been asked, and what comes of it. */
export interface Asked<T> {
  readonly request: number
  readonly result: Promise<T>
}

export class Outstanding {
  readonly #transactions = new Map<number, Waiting<TxnResult>>()
  readonly #syncs = new Map<number, Waiting<void>>()
  #next = 1

  /** No more transactions are to be taken. */
  get isFull(): boolean {
    return this.#transactions.size >= MAX_REQUESTS
  }

  transaction(): Asked<TxnResult> {
    return this.#ask(this.#transactions)
  }

  sync(): Asked<void> {
    return this.#ask(this.#syncs)
  }

  /** Numbers that nobody waits for (any more) are passed over, here and below. */
  applied(request: number, result: TxnResult): void {
    take(this.#transactions, request)?.resolve(result)
  }

  /** `code`: ZooKeeper's. */
  refused(request: number, code: number): void {
    take(this.#transactions, request)?.reject(new ZnodeError(code, null))
  }

  synced(request: number): void {
    take(this.#syncs, request)?.resolve()
  }

  lose(): void {
    const lost = [...this.#transactions.values(), ...this.#syncs.values()]
    this.#transactions.clear()
    this.#syncs.clear()
    for (const { reject } of lost) reject(new ZnodeError(ZkCode.connectionLoss, null))
  }

  #ask<T>(waiting: Map<number, Waiting<T>>): Asked<T> {
    const request = this.#next
    this.#next = request === 0xffffffff ? 1 : request + 1
    const result = new Promise<T>((resolve, reject) => waiting.set(request, { resolve, reject }))
    return { request, result }
  }
}

function take<T>(waiting: Map<number, Waiting<T>>, request: number): Waiting<T> | undefined {
  const one = waiting.get(request)
  waiting.delete(request)
  return one
}
