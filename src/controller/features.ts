// The features of Kafka that this code acts on, with the levels at which it can. What it does not do (transactions, the newer group protocols,
// share and streams groups, voters changed through Kafka's API) has no level: a feature that is not named here is one whose level is 0. Pure.

import type { FeatureRange } from './image.js'

export const SUPPORTED_FEATURES: ReadonlyMap<string, FeatureRange> = new Map([
  // Requests are served, and partitions led, as Kafka 4.4-IV2 does; no earlier release is imitated.
  ['metadata.version', { min: 33, max: 33 }],
  // KIP-966: what an acknowledgement promises stands on it, so it cannot be switched off.
  ['eligible.leader.replicas.version', { min: 1, max: 1 }],
])

/** What a new cluster begins with: the highest level of each. */
export function firstLevels(supported: ReadonlyMap<string, FeatureRange>): Map<string, number> {
  return new Map([...supported].map(([name, { max }]) => [name, max]))
}

/** Levels that can be finalized now, because every broker that runs can work at them, and have not been. */
export function missingLevels(
  finalized: ReadonlyMap<string, number>,
  brokers: Iterable<{ readonly alive: boolean; readonly features: ReadonlyMap<string, FeatureRange> }>,
): Map<string, number> {
  const running = [...brokers].filter(({ alive }) => alive)
  const missing = [...firstLevels(SUPPORTED_FEATURES)].filter(
    ([name, level]) => !finalized.has(name) && running.length > 0 && running.every(({ features }) => contains(features.get(name), level)),
  )
  return new Map(missing)
}

/** Why a node that can work at `supported` must not join, or null. One that announces nothing is of a build before there were features. */
export function unfitFor(supported: ReadonlyMap<string, FeatureRange>, finalized: ReadonlyMap<string, number>): string | null {
  if (supported.size === 0) return null
  for (const [name, level] of finalized) {
    const range = supported.get(name)
    if (contains(range, level)) continue
    const known = range ? `knows levels ${range.min} to ${range.max} of it` : 'does not know it'
    return `the cluster has finalized level ${level} of the feature ${name}, and this build ${known}: start a build that supports the level`
  }
  return null
}

/** A feature that is not supported has level 0, as Kafka has it. */
export function contains(range: FeatureRange | undefined, level: number): boolean {
  return range ? level >= range.min && level <= range.max : level === 0
}
