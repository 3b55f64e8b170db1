// API 72, versions 0, flexible from 0.
// Metrics of a client, as an OTLP payload.

import { bool, bytes, int16, int32, int8, message, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const pushTelemetryRequest = message('PushTelemetryRequest', '0', '0+', {
  clientInstanceId: uuid('0+'),
  subscriptionId: int32('0+'),
  terminating: bool('0+'),
  compressionType: int8('0+'),
  metrics: bytes('0+'),
})
export type PushTelemetryRequest = MessageOf<typeof pushTelemetryRequest>

export const pushTelemetryResponse = message('PushTelemetryResponse', '0', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
})
export type PushTelemetryResponse = MessageOf<typeof pushTelemetryResponse>
