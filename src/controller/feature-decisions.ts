// Decides UpdateFeatures: the finalized levels afterwards, or why not. Pure. A level may be finalized when every
// registered broker can work with it; level 0 takes a feature out of use.

import { errors } from '../model/errors.js'
import type { FeatureUpdate } from './controller-api.js'
import type { MetadataImage } from './image.js'
import { refuse, type Decision } from './topic-decisions.js'

export const UpgradeType = { upgrade: 1, safeDowngrade: 2, unsafeDowngrade: 3 } as const

export function decideFeatures(image: MetadataImage, updates: readonly FeatureUpdate[]): Decision<ReadonlyMap<string, number>> {
  const levels = new Map(image.features)
  const seen = new Set<string>()
  for (const update of updates) {
    const { feature, level } = update
    if (seen.has(feature)) return refuse(errors.INVALID_REQUEST.code, `The feature ${feature} is named more than once.`)
    seen.add(feature)
    const problem = updateProblem(image, update)
    if (problem) {
      const errorMessage = `Invalid update version ${level} for feature ${feature}. ${problem}`
      return refuse(errors.INVALID_UPDATE_VERSION.code, errorMessage)
    }
    if (level === 0) levels.delete(feature)
    else levels.set(feature, level)
  }
  return { kind: 'planned', plan: levels }
}

function updateProblem(image: MetadataImage, { feature, level, upgradeType }: FeatureUpdate): string | null {
  if (!(upgradeType >= UpgradeType.upgrade && upgradeType <= UpgradeType.unsafeDowngrade))
    return `The upgrade type ${upgradeType} is unknown.`
  if (level < 0) return 'A feature version may not be negative.'
  const current = image.features.get(feature) ?? 0
  if (level > current && upgradeType !== UpgradeType.upgrade) return `Can't downgrade to a newer version: the current one is ${current}.`
  if (level < current && upgradeType === UpgradeType.upgrade) {
    return "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade."
  }
  const brokers = [...image.brokers.values()].filter((broker) => broker.alive)
  if (!brokers.some((broker) => broker.features.has(feature))) return 'The controller does not support the given feature.'
  if (level === 0) return null
  const unfit = brokers.find((broker) => {
    const range = broker.features.get(feature)
    return !range || level < range.min || level > range.max
  })
  return unfit ? `Broker ${unfit.id} does not support this version.` : null
}
