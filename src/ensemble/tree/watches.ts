// Who watches which znode, and what they are told. Pure: firing returns deliveries, the member delivers them.
// One-shot watches are gone once they fired. Persistent ones stay: the plain kind hears of its node and its list
// of children, the recursive kind of every node of the subtree, never of ChildrenChanged. A watcher may hold several
// kinds on one path; it hears of a change once.

import { parentOf } from './path.js'
import { EventType, type Acl, type TreeEvent } from './types.js'

/** An opaque identity: one per connection or client. */
export type Watcher = object

export type WatchMode = 'data' | 'children' | 'persistent' | 'recursive'

export interface Delivery {
  readonly watcher: Watcher
  readonly event: TreeEvent
}

const BIT: Readonly<Record<WatchMode | 'any', number>> = { data: 1, children: 2, persistent: 4, recursive: 8, any: 15 }
const ONE_SHOT = BIT.data | BIT.children

export interface WatchCounts {
  readonly watchers: number
  readonly paths: number
  readonly watches: number
}

export class Watches {
  readonly #paths = new Map<string, Map<Watcher, number>>()
  /** Where each watcher stands, so that a connection's end costs no more than its watches. */
  readonly #watchers = new Map<Watcher, Set<string>>()
  /** Paths with a recursive watch: without any, a change does not look at its ancestors. */
  #recursive = 0

  add(path: string, watcher: Watcher, mode: WatchMode): void {
    const byWatcher = this.#paths.get(path)
    if (byWatcher) this.#set(path, byWatcher, watcher, (byWatcher.get(watcher) ?? 0) | BIT[mode])
    else {
      const fresh = new Map<Watcher, number>()
      this.#paths.set(path, fresh)
      this.#set(path, fresh, watcher, BIT[mode])
    }
  }

  has(path: string, watcher: Watcher, kind: WatchMode | 'any'): boolean {
    return ((this.#paths.get(path)?.get(watcher) ?? 0) & BIT[kind]) !== 0
  }

  /** Takes watches off; false when there was none (ZooKeeper's NoWatcher). `kind` 'any' takes every mode. */
  remove(path: string, watcher: Watcher, kind: WatchMode | 'any'): boolean {
    const byWatcher = this.#paths.get(path)
    const bits = byWatcher?.get(watcher) ?? 0
    if (!byWatcher || (bits & BIT[kind]) === 0) return false
    this.#set(path, byWatcher, watcher, bits & ~BIT[kind])
    return true
  }

  /** Forgets a connection that is gone. */
  removeWatcher(watcher: Watcher): void {
    for (const path of this.#watchers.get(watcher) ?? []) this.remove(path, watcher, 'any')
  }

  counts(): WatchCounts {
    let watches = 0
    for (const byWatcher of this.#paths.values()) {
      for (const bits of byWatcher.values()) for (let rest = bits; rest > 0; rest &= rest - 1) watches++
    }
    return { watchers: this.#watchers.size, paths: this.#paths.size, watches }
  }

  /** A node came to be: its exists-watchers, then the parent's child watchers. `acl` of the node, `parentAcl` of its parent. */
  fireCreated(path: string, zxid: bigint, acl: readonly Acl[], parentAcl: readonly Acl[], out: Delivery[]): void {
    if (this.#paths.size === 0) return
    this.#fireNode(EventType.created, path, BIT.data, zxid, acl, out)
    this.#fireChildren(parentOf(path), zxid, parentAcl, out)
  }

  fireDataChanged(path: string, zxid: bigint, acl: readonly Acl[], out: Delivery[]): void {
    if (this.#paths.size > 0) this.#fireNode(EventType.dataChanged, path, BIT.data, zxid, acl, out)
  }

  /** A node is gone: one event for a watcher even if it watched data and children. */
  fireDeleted(path: string, zxid: bigint, acl: readonly Acl[], parentAcl: readonly Acl[], out: Delivery[]): void {
    if (this.#paths.size === 0) return
    this.#fireNode(EventType.deleted, path, ONE_SHOT, zxid, acl, out)
    this.#fireChildren(parentOf(path), zxid, parentAcl, out)
  }

  #fireNode(type: EventType, path: string, oneShot: number, zxid: bigint, acl: readonly Acl[], out: Delivery[]): void {
    const told = new Set<Watcher>()
    this.#take(path, oneShot, BIT.persistent | BIT.recursive, told)
    if (this.#recursive > 0) {
      for (let above = parentOf(path); above !== ''; above = parentOf(above)) this.#take(above, 0, BIT.recursive, told)
    }
    deliver(told, { type, path, zxid, acl }, out)
  }

  #fireChildren(parent: string, zxid: bigint, acl: readonly Acl[], out: Delivery[]): void {
    const told = new Set<Watcher>()
    this.#take(parent, BIT.children, BIT.persistent, told)
    deliver(told, { type: EventType.childrenChanged, path: parent, zxid, acl }, out)
  }

  /** Collects the watchers that hold one of the bits; the one-shot bits are taken off. */
  #take(path: string, oneShot: number, staying: number, told: Set<Watcher>): void {
    const byWatcher = this.#paths.get(path)
    if (!byWatcher) return
    for (const [watcher, bits] of byWatcher) {
      if ((bits & (oneShot | staying)) === 0) continue
      told.add(watcher)
      if ((bits & oneShot) !== 0) this.#set(path, byWatcher, watcher, bits & ~oneShot)
    }
  }

  #set(path: string, byWatcher: Map<Watcher, number>, watcher: Watcher, bits: number): void {
    const before = byWatcher.get(watcher) ?? 0
    if ((bits & BIT.recursive) !== (before & BIT.recursive)) this.#recursive += (bits & BIT.recursive) === 0 ? -1 : 1
    if (bits !== 0) {
      byWatcher.set(watcher, bits)
      const paths = this.#watchers.get(watcher)
      if (paths) paths.add(path)
      else this.#watchers.set(watcher, new Set([path]))
      return
    }
    byWatcher.delete(watcher)
    if (byWatcher.size === 0) this.#paths.delete(path)
    const paths = this.#watchers.get(watcher)
    if (paths?.delete(path) && paths.size === 0) this.#watchers.delete(watcher)
  }
}

function deliver(watchers: Set<Watcher>, event: TreeEvent, out: Delivery[]): void {
  for (const watcher of watchers) out.push({ watcher, event })
}
