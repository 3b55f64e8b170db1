// multi and multiRead on the wire: a list of operations, each behind a header of its own, ended by a header that says so. Pure.

import { Opcode, ZkCode } from '../../tree/codes.js'
import type { OpResult, SingleOp, TxnResult } from '../../tree/types.js'
import type { Reader } from '../../../protocol/codec/reader.js'
import { codecOf } from '../jute/codec.js'
import * as records from '../jute/records.js'
import type { JuteWriter } from '../jute/writer.js'
import { readOp } from './operations.js'
import { Refusal, type Body, type Reply } from './reply.js'

const multiHeader = codecOf(records.MultiHeader)
const errorResponse = codecOf(records.ErrorResponse)
const pathRecord = codecOf(records.PathRecord)
const create2Response = codecOf(records.Create2Response)
const statResponse = codecOf(records.StatResponse)
const pathWatch = codecOf(records.PathWatch)

const ERROR = -1
/** Operations in one multi: a frame of jute.maxbuffer could hold a million empty ones. */
const MAX_OPS = 100_000

function* headers(r: Reader): Generator<number> {
  for (let count = 0; ; count++) {
    const { type, done } = multiHeader.read(r)
    if (done) return
    if (count === MAX_OPS) throw new Refusal(ZkCode.badArguments)
    yield type
  }
}

const INSIDE = new Set<number>([
  Opcode.create,
  Opcode.create2,
  Opcode.createContainer,
  Opcode.createTtl,
  Opcode.delete,
  Opcode.setData,
  Opcode.check,
])

export function readMulti(r: Reader): { readonly ops: SingleOp[]; readonly types: number[] } {
  const ops: SingleOp[] = []
  const types: number[] = []
  for (const type of headers(r)) {
    if (!INSIDE.has(type)) throw new Refusal(ZkCode.marshallingError)
    ops.push(readOp(type, r))
    types.push(type)
  }
  return { ops, types }
}

/** The multi as a whole answers 0; what failed stands in the list. Refused as a whole (the session is gone) it has no list. */
export function multiReply(result: TxnResult, types: readonly number[]): Reply {
  const { results } = result
  if (result.code !== ZkCode.ok && results.length === 0) return result.code
  const failed = results.some(({ code }) => code !== ZkCode.ok)
  return list(results, (w, each, i) => {
    if (failed) writeError(w, each.code)
    else writeResult(w, types[i]!, each)
  })
}

function writeResult(w: JuteWriter, type: number, result: OpResult): void {
  // ZooKeeper answers every kind of create that has a stat as create2.
  const answered = type === Opcode.createContainer || type === Opcode.createTtl ? Opcode.create2 : type
  multiHeader.write(w, { type: answered, done: false, err: 0 })
  if (type === Opcode.create) pathRecord.write(w, { path: result.path! })
  else if (answered === Opcode.create2) create2Response.write(w, { path: result.path!, stat: result.stat! })
  else if (type === Opcode.setData) statResponse.write(w, { stat: result.stat! })
}

function writeError(w: JuteWriter, code: number): void {
  multiHeader.write(w, { type: ERROR, done: false, err: code })
  errorResponse.write(w, { err: code })
}

function list<T>(items: readonly T[], write: (w: JuteWriter, item: T, i: number) => void): Body {
  return {
    write: (w) => {
      items.forEach((item, i) => write(w, item, i))
      multiHeader.write(w, { type: ERROR, done: true, err: -1 })
    },
  }
}

/** Reads getData and getChildren one after the other; a failing one is an error in the list. */
export function multiRead(r: Reader, run: (opcode: number, path: string) => Reply): Reply {
  const answers: [number, Reply][] = []
  for (const type of headers(r)) {
    if (type !== Opcode.getData && type !== Opcode.getChildren) throw new Refusal(ZkCode.marshallingError)
    answers.push([type, run(type, pathWatch.read(r).path)])
  }
  return list(answers, (w, [type, reply]) => {
    if (typeof reply === 'number') return writeError(w, reply)
    multiHeader.write(w, { type, done: false, err: 0 })
    reply.write(w)
  })
}
