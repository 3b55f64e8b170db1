// Which container and TTL nodes are due to go. Pure; the leader turns the answer into transactions, and the tree checks
// each again when it is applied, since a child may have come meanwhile.

import type { Txn } from '../tree/types.js'
import { isReapable, type ZnodeTree } from '../tree/znode-tree.js'

/** `limit` bounds what one look puts into the order; the rest waits for the next. */
export function reapable(tree: ZnodeTree, wallNow: number, limit = 10_000): Txn[] {
  const due: Txn[] = []
  for (const path of tree.transient) {
    const node = tree.node(path)!
    if (!isReapable(node, wallNow)) continue
    due.push({ sessionId: 0n, auth: [], body: { kind: 'reap', path, czxid: node.czxid } })
    if (due.length >= limit) break
  }
  return due
}
