// Quota nodes: `/zookeeper/quota/PATH/zookeeper_limits` says what PATH may hold, `zookeeper_stats` beside it what it holds, kept by the
// tree as PATH's subtree changes. As in ZooKeeper without enforceQuota, limits are counted against, not enforced. Pure.

import { parentOf } from './path.js'

const ROOT = '/zookeeper/quota'
const LIMITS = '/zookeeper_limits'
const STATS = '/zookeeper_stats'

/** The path that a node of this name limits; null when it is no such node. */
export function limitedBy(path: string): string | null {
  return path.startsWith(`${ROOT}/`) && path.endsWith(LIMITS) ? path.slice(ROOT.length, -LIMITS.length) : null
}

/** The path whose usage a node of this name holds; null when it is no such node. */
export function countedIn(path: string): string | null {
  return path.startsWith(`${ROOT}/`) && path.endsWith(STATS) ? path.slice(ROOT.length, -STATS.length) : null
}

export function statsPath(path: string): string {
  return ROOT + path + STATS
}

export interface Usage {
  readonly count: number
  readonly bytes: number
}

export function usageBytes(usage: Usage): Uint8Array {
  return Buffer.from(`count=${usage.count},bytes=${usage.bytes}`)
}

/** ZooKeeper reads what it does not understand as -1. */
export function readUsage(data: Uint8Array | null): Usage {
  const text = Buffer.from(data ?? []).toString('latin1')
  const field = (name: string): number => Number(new RegExp(`(?:^|[,;])${name}=(-?\\d+)`).exec(text)?.[1] ?? -1)
  return { count: field('count'), bytes: field('bytes') }
}

/** The paths that have limits. */
export class Quotas {
  readonly #limited = new Set<string>()

  get none(): boolean {
    return this.#limited.size === 0
  }

  placed(path: string): void {
    const limited = limitedBy(path)
    if (limited) this.#limited.add(limited)
  }

  removed(path: string): void {
    const limited = limitedBy(path)
    if (limited) this.#limited.delete(limited)
  }

  /** The nearest limited path at or above `path`. */
  over(path: string): string | null {
    for (let at = path; at !== '' && at !== '/'; at = parentOf(at)) if (this.#limited.has(at)) return at
    return null
  }
}
