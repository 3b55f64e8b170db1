// Odd requests for UpdateFeatures. Levels that both Kafka 4.4 and this server stand at: metadata.version 33.

import type { CallResult } from '../raw/apis.js'
import type { Context, OddCase } from './context.js'

const UPGRADE = 1
const SAFE_DOWNGRADE = 2
const UNSAFE_DOWNGRADE = 3
const CURRENT = 33

interface Update {
  readonly feature: string
  readonly level: number
  readonly upgradeType?: number
  readonly allowDowngrade?: boolean
}

function ask(context: Context, version: number, updates: readonly Update[], validateOnly = false): Promise<CallResult> {
  const rows = updates.map((update) => ({ upgradeType: UPGRADE, allowDowngrade: false, ...update }))
  return context.call('UpdateFeatures', version, { timeoutMs: 10_000, updates: rows, validateOnly })
}

const one = (name: string, update: Update): OddCase => ({ name: `UpdateFeatures: ${name}`, ask: (context) => ask(context, 1, [update]) })
const metadata = (level: number, upgradeType?: number): Update => ({
  feature: 'metadata.version',
  level,
  ...(upgradeType === undefined ? {} : { upgradeType }),
})
const unknown = (level: number, upgradeType?: number): Update => ({ ...metadata(level, upgradeType), feature: 'no.such.feature' })

export const FEATURE_CASES: readonly OddCase[] = [
  ...[UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE, 0, 9].map((type) => one(`an unknown feature, upgrade type ${type}`, unknown(1, type))),
  one('an unknown feature to level 0', unknown(0)),
  one('an unknown feature to level 0 as a downgrade', unknown(0, SAFE_DOWNGRADE)),
  one('a negative level', unknown(-1)),
  one('the empty name', { feature: '', level: 1 }),
  ...[UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE, 0].map((type) => one(`the current level, upgrade type ${type}`, metadata(CURRENT, type))),
  one('a level of the future', metadata(99)),
  one('a level of the future as a downgrade', metadata(99, SAFE_DOWNGRADE)),
  one('an older level without a downgrade', metadata(CURRENT - 1)),
  one('metadata.version to level 0', metadata(0, UNSAFE_DOWNGRADE)),
  one('a negative level of metadata.version', metadata(-1, UNSAFE_DOWNGRADE)),
  { name: 'UpdateFeatures: nothing', ask: (context) => ask(context, 1, []) },
  {
    name: 'UpdateFeatures: one that is well beside one that is unknown',
    ask: (context) => ask(context, 1, [metadata(CURRENT), unknown(1)]),
  },
  { name: 'UpdateFeatures: the same feature twice', ask: (context) => ask(context, 1, [metadata(CURRENT), metadata(CURRENT)]) },
  ...[0, 1, 2].flatMap((version): OddCase[] => [
    { name: `UpdateFeatures: version ${version}, the current level`, ask: (context) => ask(context, version, [metadata(CURRENT)]) },
    { name: `UpdateFeatures: version ${version}, an unknown feature`, ask: (context) => ask(context, version, [unknown(1)]) },
  ]),
  { name: 'UpdateFeatures: validate only, the current level', ask: (context) => ask(context, 2, [metadata(CURRENT)], true) },
  { name: 'UpdateFeatures: validate only, an unknown feature', ask: (context) => ask(context, 2, [unknown(1)], true) },
]
