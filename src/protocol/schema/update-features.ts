// API 57, versions 0-2, flexible from 0.
// 1: upgrade types and validateOnly. 2: no answer by feature.

import { array, bool, int16, int32, int8, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const updateFeaturesRequest = message('UpdateFeaturesRequest', '0-2', '0+', {
  timeoutMs: int32('0+', { default: 60000 }),
  featureUpdates: array('0+', {
    feature: string('0+'),
    maxVersionLevel: int16('0+'),
    allowDowngrade: bool('0'),
    upgradeType: int8('1+', { default: 1 }),
  }),
  validateOnly: bool('1+'),
})
export type UpdateFeaturesRequest = MessageOf<typeof updateFeaturesRequest>

export const updateFeaturesResponse = message('UpdateFeaturesResponse', '0-2', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+' }),
  results: array('0-1', { feature: string('0+'), errorCode: int16('0+'), errorMessage: string('0+', { nullable: '0+' }) }),
})
export type UpdateFeaturesResponse = MessageOf<typeof updateFeaturesResponse>
