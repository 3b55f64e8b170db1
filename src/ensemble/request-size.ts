// ZooKeeper's jute.maxbuffer: what one request may carry. Pure.

import { ByteWriter } from './store/bytes.js'
import { writeTxn } from './store/txn-codec.js'
import type { TxnBody } from './tree/types.js'

export const MAX_REQUEST_BYTES = 0xfffff

/** Measured only when it could be: the sum of data is a lower bound that most requests are far below. */
export function isTooLarge(body: TxnBody): boolean {
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
