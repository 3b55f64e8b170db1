// A snapshot that the leader sent: what is wrong with it is known BEFORE it is stored, and the tree that it makes is kept until it is. Pure.

import { crc32c } from '@node-rs/crc32'
import { decodeSnapshot } from '../store/snapshot.js'
import type { ZnodeTree } from '../tree/znode-tree.js'

export class IncomingSnapshot {
  #tree: ZnodeTree | null = null

  /** What is wrong with it; null: nothing. */
  check(zxid: bigint, snapshot: Buffer): string | null {
    const decoded = decodeSnapshot(snapshot)
    this.#tree = typeof decoded === 'string' ? null : decoded
    if (typeof decoded === 'string') return decoded
    return decoded.lastZxid === zxid ? null : 'it ends with another transaction than was said'
  }

  /** Of the one that was checked last. */
  take(): ZnodeTree {
    const tree = this.#tree!
    this.#tree = null
    return tree
  }
}

/** For the planted bug: whatever the bytes are, the checksum says so. */
export function resealSnapshot(snapshot: Buffer): void {
  snapshot.writeUInt32BE(crc32c(snapshot.subarray(0, snapshot.length - 4)), snapshot.length - 4)
}
