// Which transactions a leader takes into the order: nothing may enter it that a member could not read, and one reconfiguration at a time, made from
// the configuration that holds. Pure.

import { asBuffer } from '../../model/bytes.js'
import { opcodeOf, readTxn } from '../store/txn-codec.js'
import { Opcode, ZkCode } from '../tree/codes.js'
import { parseConfig, versionOf } from './config.js'
import type { QuorumMachine } from './machine.js'
import type { Proposal } from './proposals.js'

export interface Order {
  readonly machine: Pick<QuorumMachine, 'reconfiguring' | 'hasQuorumOf'>
  /** Those that have no place yet. */
  readonly waiting: readonly Proposal[]
  /** Of the configuration that is agreed. */
  readonly version: bigint
}

/** ZkCode.ok: it may enter. */
export function refusalOf(txn: Uint8Array, { machine, waiting, version }: Order): number {
  try {
    const { body } = readTxn(asBuffer(txn), 0).txn
    if (body.kind !== 'reconfig') return ZkCode.ok
    const config = parseConfig(body.config)
    if (config === null) return ZkCode.badArguments
    if (machine.reconfiguring || waiting.some(({ payload }) => opcodeOf(payload) === Opcode.reconfig)) return ZkCode.reconfigInProgress
    const from = versionOf(body.config)
    if (from !== null && from !== version) return ZkCode.badVersion
    return machine.hasQuorumOf(config) ? ZkCode.ok : ZkCode.newConfigNoQuorum
  } catch {
    return ZkCode.badArguments
  }
}
