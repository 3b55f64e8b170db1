// A batch that goes from a producer into an engine of the same process, past requests: what the two sides of that door agree on.

import type { Uuid } from './topic-partition.js'

/** One batch of a client in this process: in the client's own memory on the same thread, in a copy on another. */
export interface DirectBatch {
  readonly topic: string
  /** ZERO_UUID: not known, the name decides. */
  readonly topicId: Uuid
  readonly partition: number
  /** Without a checksum. The engine's until it takes it, which patches the header; the caller's memory again afterwards. */
  readonly records: Uint8Array
  /** -1 or 1: who wants no answer sends a request. */
  readonly acks: number
  /** As ProduceRequest's field of the name. */
  readonly millraceAck: number
  readonly timeoutMs: number
  readonly clientId: string | null
}
