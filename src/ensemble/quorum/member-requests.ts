// What a member's clients ask, and the way of it: to the leader by its number, on the leader to a place in the order, and its answer back.
// Of the state machine it asks, and gives it inputs; of messages and disks it knows nothing. Runs on the member's thread.

import type { Env } from '../../env/env.js'
import type { MemberRole } from '../ensemble-server.js'
import { isTooLarge } from '../request-size.js'
import { ZkCode } from '../tree/codes.js'
import type { Txn, TxnResult } from '../tree/types.js'
import { ZnodeError } from '../znode-client.js'
import { refusalOf } from './admission.js'
import type { Entry } from './log-window.js'
import type { Input, QuorumMachine } from './machine.js'
import { Outstanding } from './outstanding.js'
import { configOf, encodeTxn, stampTxn } from './payload.js'
import { type Proposal, Proposals } from './proposals.js'

/** A request as a leader hears it; of its own clients too. */
export interface MemberRequest {
  readonly from: number
  readonly request: number
  readonly txn: Uint8Array
}

export interface MemberRequestsOptions {
  readonly env: Pick<Env, 'clock' | 'timers'>
  readonly memberId: number
  readonly machine: Pick<QuorumMachine, 'nextZxid' | 'reconfiguring' | 'hasQuorumOf'>
  /** `looking`: there is nobody to ask. */
  role(): MemberRole
  /** It is about to close, and takes no more. */
  isClosing(): boolean
  /** It stopped taking part. */
  isHalted(): boolean
  /** Of the configuration that is agreed. */
  version(): bigint
  step(input: Input): void
  /** What waited for its place gets one. */
  onProposed(): void
}

export class MemberRequests {
  readonly #options: MemberRequestsOptions
  readonly #outstanding = new Outstanding()
  readonly #proposals: Proposals

  constructor(options: MemberRequestsOptions) {
    this.#options = options
    this.#proposals = new Proposals({ env: options.env, propose: (proposals) => this.#propose(proposals) })
  }

  submit(txn: Txn): Promise<TxnResult> {
    const { role, isClosing, memberId, step } = this.#options
    if (role() === 'looking' || isClosing()) return Promise.reject(new ZnodeError(ZkCode.connectionLoss, null))
    if (isTooLarge(txn.body)) return Promise.reject(new ZnodeError(ZkCode.badArguments, null))
    if (this.#outstanding.isFull) return Promise.reject(new ZnodeError(ZkCode.operationTimeout, null))
    const { request, result } = this.#outstanding.transaction()
    const payload = encodeTxn(txn)
    if (role() === 'leader') this.take({ from: memberId, request, txn: payload })
    else step({ kind: 'request', request, txn: payload })
    return result
  }

  sync(): Promise<void> {
    const role = this.#options.role()
    if (role === 'leader') return Promise.resolve()
    if (role === 'looking') return Promise.reject(new ZnodeError(ZkCode.connectionLoss, null))
    const { request, result } = this.#outstanding.sync()
    this.#options.step({ kind: 'sync', request })
    return result
  }

  // --- the answers

  applied({ origin }: Entry, result: TxnResult): void {
    if (origin?.member === this.#options.memberId) this.#outstanding.applied(origin.request, result)
  }

  /** `code`: ZooKeeper's. */
  refused(request: number, code: number): void {
    this.#outstanding.refused(request, code)
  }

  synced(request: number): void {
    this.#outstanding.synced(request)
  }

  /** The leader is lost, or leads no more: what was asked of it has no known fate. */
  lose(): void {
    this.#proposals.drop()
    this.#outstanding.lose()
  }

  // --- of a leader

  /** A request of a member, this one included, takes its place in the order. */
  take({ from, request, txn }: MemberRequest): void {
    const { machine, memberId, version, step } = this.#options
    const code = refusalOf(txn, { machine, waiting: this.#proposals.waiting, version: version() })
    if (code === ZkCode.ok) this.#proposals.push({ payload: Buffer.from(txn), origin: { member: from, request } })
    else if (from === memberId) this.#outstanding.refused(request, code)
    else step({ kind: 'refuse', to: from, request, code })
  }

  /** A transaction of the leader's own. If it is lost, the next leader finds the same reason for it. */
  order(txn: Txn): void {
    this.#proposals.push({ payload: encodeTxn(txn), origin: null })
  }

  /** See `Proposals`. */
  writing(entries: number): () => void {
    return this.#proposals.writing(entries)
  }

  /** See `Proposals`. */
  look(): void {
    this.#proposals.look()
  }

  close(): void {
    this.#proposals.close()
  }

  #propose(proposals: readonly Proposal[]): boolean {
    const { env, machine, isHalted, onProposed, step } = this.#options
    const first = isHalted() ? null : machine.nextZxid()
    if (first === null) return false
    const time = BigInt(env.clock.now())
    const entries = proposals.map(({ payload, origin }, i): Entry => {
      const zxid = first + BigInt(i)
      stampTxn(payload, zxid, time)
      return { zxid, payload, config: configOf(payload), origin }
    })
    onProposed()
    step({ kind: 'propose', entries })
    return true
  }
}
