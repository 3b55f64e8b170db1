// The callbacks behind a client's watches: which are told of an event, and what has to be armed again on a new connection. Pure.

import { parentOf } from '../../tree/path.js'
import { EventType, type WatchEvent } from '../../tree/types.js'
import type { WatchCallback } from '../../znode-client.js'

export type RegisteredKind = 'data' | 'exist' | 'children' | 'persistent' | 'recursive'
const KINDS: readonly RegisteredKind[] = ['data', 'exist', 'children', 'persistent', 'recursive']

/** Below ZooKeeper's request limit by far: what one setWatches2 carries. */
const CHUNK_BYTES = 128 * 1024

export type WatchPaths = Readonly<Record<RegisteredKind, readonly string[]>>

export class WatchRegistry {
  readonly #callbacks: Record<RegisteredKind, Map<string, Set<WatchCallback>>> = {
    data: new Map(),
    exist: new Map(),
    children: new Map(),
    persistent: new Map(),
    recursive: new Map(),
  }

  add(kind: RegisteredKind, path: string, callback: WatchCallback): void {
    const callbacks = this.#callbacks[kind].get(path)
    if (callbacks) callbacks.add(callback)
    else this.#callbacks[kind].set(path, new Set([callback]))
  }

  /** True when it was the last of its kind on the path: the server may forget the watch. */
  remove(kind: RegisteredKind, path: string, callback: WatchCallback): boolean {
    const callbacks = this.#callbacks[kind].get(path)
    if (!callbacks?.delete(callback) || callbacks.size > 0) return false
    this.#callbacks[kind].delete(path)
    return true
  }

  /** Whom an event is for. One-shot ones are gone then. */
  take(event: WatchEvent): WatchCallback[] {
    const told = new Set<WatchCallback>()
    const oneShot = (kind: RegisteredKind): void => {
      for (const callback of this.#callbacks[kind].get(event.path) ?? []) told.add(callback)
      this.#callbacks[kind].delete(event.path)
    }
    if (event.type !== EventType.childrenChanged) {
      oneShot('data')
      oneShot('exist')
    }
    if (event.type === EventType.childrenChanged || event.type === EventType.deleted) oneShot('children')
    for (const callback of this.#callbacks.persistent.get(event.path) ?? []) told.add(callback)
    if (event.type !== EventType.childrenChanged && this.#callbacks.recursive.size > 0) {
      for (let at = event.path; at !== ''; at = parentOf(at))
        for (const callback of this.#callbacks.recursive.get(at) ?? []) told.add(callback)
    }
    return [...told]
  }

  /** Everything that a new connection has to arm, in requests of a bounded size. */
  chunks(): WatchPaths[] {
    const chunks: Record<RegisteredKind, string[]>[] = []
    let bytes = Infinity
    for (const kind of KINDS) {
      for (const path of this.#callbacks[kind].keys()) {
        const size = 4 + Buffer.byteLength(path)
        if (bytes + size > CHUNK_BYTES) {
          chunks.push({ data: [], exist: [], children: [], persistent: [], recursive: [] })
          bytes = 0
        }
        bytes += size
        chunks.at(-1)![kind].push(path)
      }
    }
    return chunks
  }
}
