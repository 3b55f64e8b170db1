// The topics in a consumer's subscription (ConsumerProtocolSubscription, any version: the topics come first). Pure.

import { RecordReader } from './record-bytes.js'

export const CONSUMER_PROTOCOL_TYPE = 'consumer'

/** Undefined when the bytes are not a subscription. */
export function subscribedTopicsOf(metadata: Uint8Array): readonly string[] | undefined {
  try {
    const reader = new RecordReader(metadata)
    if (reader.int16() < 0) return undefined
    const count = reader.int32()
    const topics: string[] = []
    for (let index = 0; index < count; index++) topics.push(reader.string())
    return topics
  } catch (cause) {
    if (cause instanceof RangeError) return undefined
    throw cause
  }
}
