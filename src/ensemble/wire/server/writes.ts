// Requests that change the tree: from the wire to a transaction's body, and from its result to the answer. Pure.

import { Opcode, ZkCode } from '../../tree/codes.js'
import type { OpResult, TxnBody, TxnResult } from '../../tree/types.js'
import type { Reader } from '../../../protocol/codec/reader.js'
import { codecOf } from '../jute/codec.js'
import * as records from '../jute/records.js'
import { multiReply, readMulti } from './multi.js'
import { readOp } from './operations.js'
import { body, type Reply } from './reply.js'

const pathRecord = codecOf(records.PathRecord)
const create2Response = codecOf(records.Create2Response)
const statResponse = codecOf(records.StatResponse)

export interface Write {
  readonly body: TxnBody
  readonly reply: (result: TxnResult) => Reply
}

export function readWrite(opcode: number, r: Reader): Write {
  if (opcode === Opcode.multi) {
    const { ops, types } = readMulti(r)
    return { body: { kind: 'multi', ops }, reply: (result) => multiReply(result, types) }
  }
  if (opcode === Opcode.closeSession) return { body: { kind: 'closeSession' }, reply: codeOnly }
  return { body: readOp(opcode, r), reply: opcode === Opcode.create ? pathReply : REPLIES[opcode]! }
}

export function isWrite(opcode: number): boolean {
  return opcode === Opcode.multi || opcode === Opcode.closeSession || opcode in REPLIES
}

const codeOnly = ({ code }: OpResult): Reply => code
const pathReply = ({ code, path }: OpResult): Reply => (code === ZkCode.ok ? body(pathRecord, { path: path! }) : code)
const create2Reply = ({ code, path, stat }: OpResult): Reply =>
  code === ZkCode.ok ? body(create2Response, { path: path!, stat: stat! }) : code
const statReply = ({ code, stat }: OpResult): Reply => (code === ZkCode.ok && stat ? body(statResponse, { stat }) : code)

const REPLIES: Readonly<Record<number, (result: TxnResult) => Reply>> = {
  [Opcode.create]: pathReply,
  [Opcode.create2]: create2Reply,
  [Opcode.createContainer]: create2Reply,
  [Opcode.createTtl]: create2Reply,
  [Opcode.delete]: codeOnly,
  [Opcode.setData]: statReply,
  [Opcode.setAcl]: statReply,
  [Opcode.check]: statReply,
}
