// The topics in a consumer's subscription. Pure.

import { ProtocolError, decodeVersioned } from '../../protocol/codec/index.js'
import { consumerProtocolSubscription } from '../../protocol/schema/consumer-protocol.js'

export const CONSUMER_PROTOCOL_TYPE = 'consumer'

/** Undefined when the bytes are not a subscription. */
export function subscribedTopicsOf(metadata: Uint8Array): readonly string[] | undefined {
  try {
    return decodeVersioned(consumerProtocolSubscription, metadata).topics
  } catch (cause) {
    if (cause instanceof ProtocolError) return undefined
    throw cause
  }
}
