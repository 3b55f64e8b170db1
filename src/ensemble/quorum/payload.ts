// Transactions as entries of the log carry them, and the configuration where one makes or keeps it. Pure.

import { asBuffer } from '../../model/bytes.js'
import { ByteWriter } from '../store/bytes.js'
import { opcodeOf, readTxn, writeTxn } from '../store/txn-codec.js'
import { Opcode } from '../tree/codes.js'
import type { Txn } from '../tree/types.js'
import type { ZnodeTree } from '../tree/znode-tree.js'
import { parseConfig, type EnsembleConfig } from './config.js'

const NO_ZXID = 0n

/** As the log stores it, without zxid and time: see `stampTxn`. */
export function encodeTxn(txn: Txn): Buffer {
  const out = new ByteWriter(256)
  writeTxn(out, NO_ZXID, 0, txn)
  return out.view()
}

/** It has a place in the order now. */
export function stampTxn(payload: Buffer, zxid: bigint, time: bigint): void {
  payload.writeBigInt64BE(zxid, 0)
  payload.writeBigInt64BE(time, 8)
}

/** What a reconfiguration makes of the ensemble; null: the entry is none. */
export function configOf(payload: Uint8Array): EnsembleConfig | null {
  const buffer = asBuffer(payload)
  if (opcodeOf(buffer) !== Opcode.reconfig) return null
  const { body } = readTxn(buffer, 0).txn
  return body.kind === 'reconfig' ? parseConfig(body.config) : null
}

/** Null: it has never been reconfigured. */
export function configIn(tree: ZnodeTree): EnsembleConfig | null {
  const text = configText(tree)
  return text === null ? null : parseConfig(text)
}

export function configText(tree: ZnodeTree): string | null {
  const data = tree.node('/zookeeper/config')?.data
  return data ? Buffer.from(data).toString() : null
}
