// The tree as of one transaction, while the tree goes on: what a snapshot is made of, in slices. It refers to the nodes of that moment; the
// tree has the image keep a node as it was BEFORE it changes it. Costs two references a node, and a copy of each node that changes meanwhile.

import type { SessionRecord } from './znode-tree.js'
import type { Znode } from './znode.js'

export class TreeImage {
  readonly lastZxid: bigint
  readonly sessions: readonly (readonly [bigint, SessionRecord])[]
  /** About the bytes of paths and data. */
  readonly dataBytes: number
  /** In the order in which they came into the tree: parents before their children. */
  readonly #paths: readonly string[]
  readonly #nodes: readonly Znode[]
  readonly #kept = new Map<Znode, Znode>()
  readonly #release: (image: TreeImage) => void

  constructor(
    tree: {
      readonly lastZxid: bigint
      readonly approximateDataBytes: number
      readonly nodes: ReadonlyMap<string, Znode>
      readonly sessions: ReadonlyMap<bigint, SessionRecord>
    },
    release: (image: TreeImage) => void,
  ) {
    this.lastZxid = tree.lastZxid
    this.dataBytes = tree.approximateDataBytes
    this.sessions = [...tree.sessions]
    this.#paths = [...tree.nodes.keys()]
    this.#nodes = [...tree.nodes.values()]
    this.#release = release
  }

  get size(): number {
    return this.#paths.length
  }

  path(index: number): string {
    return this.#paths[index]!
  }

  node(index: number): Znode {
    const node = this.#nodes[index]!
    return this.#kept.size === 0 ? node : (this.#kept.get(node) ?? node)
  }

  /** The tree is about to change this node. */
  keep(node: Znode): void {
    if (!this.#kept.has(node)) this.#kept.set(node, { ...node })
  }

  /** The tree need not tell it of changes any more. */
  release(): void {
    this.#release(this)
  }
}
