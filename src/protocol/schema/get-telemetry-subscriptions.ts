// API 71, versions 0, flexible from 0.
// Which metrics of the client the broker wants.

import { arrayOf, bool, int16, int32, int8, message, string, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const getTelemetrySubscriptionsRequest = message('GetTelemetrySubscriptionsRequest', '0', '0+', {
  clientInstanceId: uuid('0+'),
})
export type GetTelemetrySubscriptionsRequest = MessageOf<typeof getTelemetrySubscriptionsRequest>

export const getTelemetrySubscriptionsResponse = message('GetTelemetrySubscriptionsResponse', '0', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  clientInstanceId: uuid('0+'),
  subscriptionId: int32('0+'),
  acceptedCompressionTypes: arrayOf('0+', int8),
  pushIntervalMs: int32('0+'),
  telemetryMaxBytes: int32('0+'),
  deltaTemporality: bool('0+'),
  requestedMetrics: arrayOf('0+', string),
})
export type GetTelemetrySubscriptionsResponse = MessageOf<typeof getTelemetrySubscriptionsResponse>
