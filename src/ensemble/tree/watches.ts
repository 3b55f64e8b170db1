// Who watches which znode, and what they are told. Pure: firing returns deliveries, the member delivers them.
// One-shot watches are gone once they fired. Persistent ones stay: the plain kind hears of its node and its list
// of children, the recursive kind of every node of the subtree, never of ChildrenChanged.

import { parentOf } from './path.js'
import { EventType, type WatchEvent } from './types.js'

/** An opaque identity: one per connection or client. */
export type Watcher = object

export type WatchMode = 'data' | 'children' | 'persistent' | 'recursive'

export interface Delivery {
  readonly watcher: Watcher
  readonly event: WatchEvent
}

type PersistentMode = 'persistent' | 'recursive'

export class Watches {
  readonly #data = new Map<string, Set<Watcher>>()
  readonly #children = new Map<string, Set<Watcher>>()
  readonly #persistent = new Map<string, Map<Watcher, PersistentMode>>()
  #recursiveCount = 0

  add(path: string, watcher: Watcher, mode: WatchMode): void {
    if (mode === 'data' || mode === 'children') {
      const table = mode === 'data' ? this.#data : this.#children
      const set = table.get(path)
      if (set) set.add(watcher)
      else table.set(path, new Set([watcher]))
      return
    }
    const byWatcher = this.#persistent.get(path) ?? new Map<Watcher, PersistentMode>()
    if (byWatcher.get(watcher) === 'recursive') this.#recursiveCount--
    byWatcher.set(watcher, mode)
    this.#persistent.set(path, byWatcher)
    if (mode === 'recursive') this.#recursiveCount++
  }

  /** Takes watches off; false when there was none (ZooKeeper's NoWatcher). `kind` 'any' takes every mode. */
  remove(path: string, watcher: Watcher, kind: WatchMode | 'any'): boolean {
    let found = false
    if (kind === 'any' || kind === 'data') found = removeFrom(this.#data, path, watcher) || found
    if (kind === 'any' || kind === 'children') found = removeFrom(this.#children, path, watcher) || found
    const mode = this.#persistent.get(path)?.get(watcher)
    if (mode && (kind === 'any' || kind === mode)) {
      this.#dropPersistent(path, watcher, mode)
      found = true
    }
    return found
  }

  /** Forgets a connection that is gone. */
  removeWatcher(watcher: Watcher): void {
    for (const path of this.#data.keys()) removeFrom(this.#data, path, watcher)
    for (const path of this.#children.keys()) removeFrom(this.#children, path, watcher)
    for (const [path, byWatcher] of this.#persistent) {
      const mode = byWatcher.get(watcher)
      if (mode) this.#dropPersistent(path, watcher, mode)
    }
  }

  #dropPersistent(path: string, watcher: Watcher, mode: PersistentMode): void {
    const byWatcher = this.#persistent.get(path)!
    byWatcher.delete(watcher)
    if (byWatcher.size === 0) this.#persistent.delete(path)
    if (mode === 'recursive') this.#recursiveCount--
  }

  /** A node came to be: its exists-watchers, then the parent's child watchers. */
  fireCreated(path: string, zxid: bigint, out: Delivery[]): void {
    const told = new Set<Watcher>()
    take(this.#data, path, told)
    this.#persistentOf(path, told)
    deliver(told, { type: EventType.created, path, zxid }, out)
    this.#fireChildren(parentOf(path), zxid, out)
  }

  fireDataChanged(path: string, zxid: bigint, out: Delivery[]): void {
    const told = new Set<Watcher>()
    take(this.#data, path, told)
    this.#persistentOf(path, told)
    deliver(told, { type: EventType.dataChanged, path, zxid }, out)
  }

  /** A node is gone: one event for a watcher even if it watched data and children. */
  fireDeleted(path: string, zxid: bigint, out: Delivery[]): void {
    const told = new Set<Watcher>()
    take(this.#data, path, told)
    take(this.#children, path, told)
    this.#persistentOf(path, told)
    deliver(told, { type: EventType.deleted, path, zxid }, out)
    this.#fireChildren(parentOf(path), zxid, out)
  }

  #fireChildren(parent: string, zxid: bigint, out: Delivery[]): void {
    const told = new Set<Watcher>()
    take(this.#children, parent, told)
    for (const [watcher, mode] of this.#persistent.get(parent) ?? []) if (mode === 'persistent') told.add(watcher)
    deliver(told, { type: EventType.childrenChanged, path: parent, zxid }, out)
  }

  #persistentOf(path: string, told: Set<Watcher>): void {
    for (const watcher of this.#persistent.get(path)?.keys() ?? []) told.add(watcher)
    if (this.#recursiveCount === 0) return
    for (let above = parentOf(path); above !== ''; above = parentOf(above)) {
      for (const [watcher, mode] of this.#persistent.get(above) ?? []) if (mode === 'recursive') told.add(watcher)
    }
  }
}

function take(table: Map<string, Set<Watcher>>, path: string, told: Set<Watcher>): void {
  const set = table.get(path)
  if (!set) return
  table.delete(path)
  for (const watcher of set) told.add(watcher)
}

function removeFrom(table: Map<string, Set<Watcher>>, path: string, watcher: Watcher): boolean {
  const set = table.get(path)
  if (!set?.delete(watcher)) return false
  if (set.size === 0) table.delete(path)
  return true
}

function deliver(watchers: Set<Watcher>, event: WatchEvent, out: Delivery[]): void {
  for (const watcher of watchers) out.push({ watcher, event })
}
