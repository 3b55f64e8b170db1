// All settings by resource kind and name, and the nearest known name of a mistyped one. Pure.

import type { ConfigResourceKind } from '../../controller/image.js'
import type { SettingDefinition } from './definition.js'
import { CLUSTER_SETTINGS } from './settings/cluster.js'
import { GROUP_SETTINGS } from './settings/group.js'
import { LOG_SETTINGS } from './settings/log.js'
import { MILLRACE_SETTINGS } from './settings/millrace.js'
import { NODE_SETTINGS } from './settings/node.js'
import { REMOTE_SETTINGS } from './settings/remote.js'
import { REPLICATION_SETTINGS } from './settings/replication.js'
import { CLIENT_METRICS_SETTINGS, GROUP_SETTINGS as GROUP_RESOURCE_SETTINGS, TOPIC_SETTINGS } from './settings/resources.js'
import { SECURITY_SETTINGS } from './settings/security.js'

type SettingTable = ReadonlyMap<string, SettingDefinition>

function tableOf(...lists: readonly (readonly SettingDefinition[])[]): SettingTable {
  const all = lists.flat().toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return new Map(all.map((definition) => [definition.name, definition]))
}

export const BROKER_TABLE = tableOf(
  LOG_SETTINGS,
  GROUP_SETTINGS,
  SECURITY_SETTINGS,
  REMOTE_SETTINGS,
  REPLICATION_SETTINGS,
  NODE_SETTINGS,
  MILLRACE_SETTINGS,
  CLUSTER_SETTINGS,
)
export const TOPIC_TABLE = tableOf(TOPIC_SETTINGS)
export const GROUP_TABLE = tableOf(GROUP_RESOURCE_SETTINGS)
export const CLIENT_METRICS_TABLE = tableOf(CLIENT_METRICS_SETTINGS)
const NO_SETTINGS: SettingTable = new Map()

/** The settings a resource of this kind may have. Loggers have none of their own names. */
export function settingsOf(kind: ConfigResourceKind): SettingTable {
  switch (kind) {
    case 'topic':
      return TOPIC_TABLE
    case 'broker':
      return BROKER_TABLE
    case 'group':
      return GROUP_TABLE
    case 'client-metrics':
      return CLIENT_METRICS_TABLE
    case 'broker-logger':
      return NO_SETTINGS
  }
}

/** The definition, also of a security setting written for one listener (`listener.name.NAME.ssl.key.password`). */
export function findSetting(kind: ConfigResourceKind, name: string): SettingDefinition | undefined {
  const table = settingsOf(kind)
  const exact = table.get(name)
  if (exact || kind !== 'broker') return exact
  const scoped = /^listener\.name\.[^.]+\.(?:(?:gssapi|plain|scram-sha-256|scram-sha-512|oauthbearer)\.)?(.+)$/i.exec(name)
  return scoped ? table.get(scoped[1]!) : undefined
}

/** Settings in time units whose names stand for one value: the first that is set holds. */
const CHAINS: readonly (readonly (readonly [name: string, factor: number])[])[] = [
  [
    ['log.retention.ms', 1],
    ['log.retention.minutes', 60_000],
    ['log.retention.hours', 3_600_000],
  ],
  [
    ['log.roll.ms', 1],
    ['log.roll.hours', 3_600_000],
  ],
  [
    ['log.roll.jitter.ms', 1],
    ['log.roll.jitter.hours', 3_600_000],
  ],
  [
    ['log.flush.interval.ms', 1],
    ['log.flush.scheduler.interval.ms', 1],
  ],
]

/** The names that stand for the same value as `name`, strongest first, with the factor to the first one's unit. */
export function brokerChain(name: string): readonly (readonly [name: string, factor: number])[] {
  return CHAINS.find((chain) => chain.some(([member]) => member === name)) ?? [[name, 1]]
}

/** The known name closest to `name` by edits, or by its parts; undefined when nothing is near. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Infinity
  const wanted = name.toLowerCase()
  for (const candidate of known) {
    const distance = editDistance(wanted, candidate, Math.min(bestDistance, limitFor(wanted)))
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return bestDistance <= limitFor(wanted) ? best : undefined
}

function limitFor(name: string): number {
  return Math.max(2, Math.floor(name.length / 3))
}

/** Levenshtein distance, `limit + 1` when it is past the limit. A swap of neighbours counts as one. */
export function editDistance(a: string, b: string, limit = Infinity): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + change)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) cost = Math.min(cost, beforeLast[j - 2]! + 1)
      row.push(cost)
    }
    beforeLast = last
    last = row
  }
  return last[b.length]!
}
