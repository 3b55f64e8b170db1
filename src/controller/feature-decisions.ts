// Decides UpdateFeatures: the finalized levels afterwards, or why not. Pure. A level may be finalized when the controller and every broker that
// runs can work at it; level 0 takes a feature out of use. Checks and their order are Kafka's.

import { errors } from '../model/errors.js'
import type { FeatureUpdate } from './controller-api.js'
import { contains } from './features.js'
import type { FeatureRange, MetadataImage } from './image.js'
import { refuse, type Decision } from './topic-decisions.js'

export const UpgradeType = { upgrade: 1, safeDowngrade: 2, unsafeDowngrade: 3 } as const

const ALL_FAILED = 'The update failed for all features since the following feature had an error:'

export function decideFeatures(image: MetadataImage, updates: readonly FeatureUpdate[]): Decision<ReadonlyMap<string, number>> {
  const levels = new Map(image.features)
  // Of a feature that is named twice the last one counts.
  for (const update of new Map(updates.map((each) => [each.feature, each])).values()) {
    const { feature, level } = update
    const problem = updateProblem(image, update)
    if (problem) {
      const errorMessage = `${ALL_FAILED} Invalid update version ${level} for feature ${feature}. ${problem}`
      return refuse(errors.INVALID_UPDATE_VERSION.code, errorMessage)
    }
    if (level === 0) levels.delete(feature)
    else levels.set(feature, level)
  }
  return { kind: 'planned', plan: levels }
}

function updateProblem(image: MetadataImage, { feature, level, upgradeType }: FeatureUpdate): string | null {
  if (!(upgradeType >= UpgradeType.upgrade && upgradeType <= UpgradeType.unsafeDowngrade))
    return 'The controller does not support the given upgrade type.'
  if (level < 0) return 'A feature version cannot be less than 0.'
  const unfit = unfitBroker(image, feature, level)
  if (unfit) return unfit
  const current = image.features.get(feature) ?? 0
  if (level < current && upgradeType === UpgradeType.upgrade)
    return "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade."
  if (level > current && upgradeType !== UpgradeType.upgrade) return "Can't downgrade to a newer version."
  const isKnown = image.features.has(feature) || [...image.brokers.values()].some(({ features }) => features.has(feature))
  return isKnown ? null : `Feature ${feature} not found.`
}

/** The controller is asked first. */
function unfitBroker({ brokers, controllerId }: MetadataImage, feature: string, level: number): string | null {
  const controller = brokers.get(controllerId)
  if (controller?.alive && !contains(controller.features.get(feature), level))
    return problemOf(`Local controller ${controllerId}`, controller.features.get(feature))
  for (const { id, alive, features } of brokers.values())
    if (alive && !contains(features.get(feature), level)) return problemOf(`Broker ${id}`, features.get(feature))
  return null
}

function problemOf(who: string, range: FeatureRange | undefined): string {
  return range ? `${who} only supports versions ${range.min}-${range.max}` : `${who} does not support this feature.`
}
