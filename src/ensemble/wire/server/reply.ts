// What answers a request: a code alone, or a record. Pure.

import { ZkCode } from '../../tree/codes.js'
import type { Codec } from '../jute/codec.js'
import type { JuteRecord } from '../jute/schema.js'
import type { JuteWriter } from '../jute/writer.js'

export interface Body {
  write(w: JuteWriter): void
}

/** A number is ZooKeeper's code, 0 included: then there is no body. */
export type Reply = number | Body

export function body<R extends JuteRecord>(codec: Codec<R>, value: Parameters<Codec<R>['write']>[1]): Body {
  return { write: (w) => codec.write(w, value) }
}

export const DONE: Reply = ZkCode.ok

/** A request that is answered with a code before it becomes a transaction. */
export class Refusal extends Error {
  readonly zkCode: number

  constructor(zkCode: number) {
    super(`refused with ${zkCode}`)
    this.zkCode = zkCode
  }
}
