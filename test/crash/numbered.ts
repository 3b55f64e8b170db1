// Batches that say who they are: batch n of producer 1 has RECORDS records and carries n in its first value.

import { defaultLogConfig } from '../../src/log/config.js'
import { batch } from '../log/support.js'

export const RECORDS = 3

/** Numbered batches carry a fixed, old timestamp: by a real clock their producer would be forgotten as silent at every reopen. */
export const writerConfig = { ...defaultLogConfig, segmentBytes: 256 * 1024, producerIdExpirationMs: Number.MAX_SAFE_INTEGER }

export function numberedBatch(n: number): Uint8Array {
  // sizes on both sides of the staging limit
  const filler = 'x'.repeat(n % 13 === 0 ? 70_000 : n % 7 === 0 ? 20_000 : 50 + (n % 400))
  return batch([{ value: `#${n}#` }, { value: filler }, { value: filler.slice(0, 30) }], {
    producerId: 1,
    producerEpoch: 0,
    baseSequence: n * RECORDS,
  })
}
