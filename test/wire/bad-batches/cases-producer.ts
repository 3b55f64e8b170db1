// Cases about producer ids, epochs and sequences. Each partition starts empty for each case's producer.

import { batchBytes, FLAG_TRANSACTIONAL, type BatchSpec } from './batch.js'
import type { Case, Step } from './case.js'

type Write = readonly [sequence: number, count: number, spec?: BatchSpec & { readonly version?: number }]

function write(pid: bigint, [sequence, count, spec]: Write): Step {
  const records = Array.from({ length: count }, () => ({}))
  return {
    records: batchBytes({ producerId: pid, producerEpoch: 0, baseSequence: sequence, records, ...spec }),
    ...(spec?.version ? { version: spec.version } : {}),
  }
}

function sequence(name: string, ...writes: readonly Write[]): Case {
  return { name: `producer: ${name}`, steps: (pid) => writes.map((each) => write(pid, each)) }
}

const MAX = 0x7fffffff

export const PRODUCER_CASES: readonly Case[] = [
  sequence('three batches in order', [0, 3], [3, 3], [6, 1]),
  sequence('the first batch not at 0', [5, 3]),
  sequence('the last batch again', [0, 3], [3, 3], [3, 3]),
  sequence('the fifth last batch again', [0, 1], [1, 1], [2, 1], [3, 1], [4, 1], [0, 1]),
  sequence('the sixth last batch again', [0, 1], [1, 1], [2, 1], [3, 1], [4, 1], [5, 1], [0, 1]),
  sequence('a batch again with another count', [0, 3], [3, 3], [3, 2]),
  sequence('an overlap', [0, 3], [2, 3]),
  sequence('a gap', [0, 3], [4, 3]),
  sequence('a gap, then the right one', [0, 3], [4, 3], [3, 1]),
  sequence('back to 0 without a new epoch', [0, 3], [3, 3], [0, 1]),
  sequence('a new epoch at 0', [0, 3], [0, 3, { producerEpoch: 1 }]),
  sequence('a new epoch at 3', [0, 3], [3, 3, { producerEpoch: 1 }]),
  sequence('an older epoch', [0, 3, { producerEpoch: 2 }], [3, 3, { producerEpoch: 1 }]),
  sequence('an older epoch, version 13', [0, 3, { producerEpoch: 2 }], [3, 3, { producerEpoch: 1, version: 13 }]),
  sequence('an older epoch, version 3', [0, 3, { producerEpoch: 2 }], [3, 3, { producerEpoch: 1, version: 3 }]),
  sequence('an older epoch at 0', [0, 3, { producerEpoch: 2 }], [0, 3, { producerEpoch: 1 }]),
  sequence('epoch -1', [0, 3, { producerEpoch: -1 }]),
  sequence('epoch 32767', [0, 3, { producerEpoch: 32767 }]),
  sequence('sequence -1', [-1, 3]),
  sequence('sequence -2', [-2, 3]),
  sequence('sequence -1 after a good one', [0, 3], [-1, 3]),
  sequence('first at 2^31-1, then wrapped', [MAX, 1], [0, 1]),
  sequence('a batch across the wrap', [MAX - 1, 3], [1, 2]),
  sequence('a gap of one at the wrap', [MAX, 1], [1, 1]),
  sequence('a producer id never given out', [0, 3, { producerId: 4_611_686_018_427_387_904n }]),
  sequence('producer id -2', [0, 3, { producerId: -2n }]),
  sequence('no producer id, but a sequence', [0, 3, { producerId: -1n }]),
  sequence('no producer id, but an epoch and no sequence', [-1, 3, { producerId: -1n }]),
  sequence('a duplicate with a wrong crc', [0, 3], [0, 3, { crcError: 1 }]),
  sequence(
    'a duplicate with other content',
    [0, 3],
    [0, 3, { records: [{ value: Buffer.from('a') }, { value: Buffer.from('b') }, { value: Buffer.from('c') }] }],
  ),
  sequence('a duplicate, version 3', [0, 3], [0, 3, { version: 3 }]),
  sequence('a gap, gzip', [0, 3, { codec: 'gzip' }], [4, 3, { codec: 'gzip' }]),
  sequence('a duplicate, zstd', [0, 3, { codec: 'zstd' }], [0, 3, { codec: 'zstd' }]),
  sequence('count does not match the last offset delta', [0, 3, { count: 2 }]),
  sequence('transactional, not part of a transaction', [0, 3, { flags: FLAG_TRANSACTIONAL }]),
  {
    name: 'producer: two producers in turn',
    steps: (pid, pid2) => [write(pid, [0, 2]), write(pid2, [0, 2]), write(pid, [2, 1]), write(pid2, [2, 1])],
  },
  {
    name: 'producer: two batches of one producer in one request',
    steps: (pid) => [{ records: Buffer.concat([write(pid, [0, 1]).records!, write(pid, [1, 1]).records!]) }],
  },
  {
    name: 'producer: transactional batch and transactional id that began nothing',
    notCompared: 'Kafka asks its transaction coordinator, whose answer depends on when it started',
    steps: (pid) => [{ ...write(pid, [0, 1, { flags: FLAG_TRANSACTIONAL }]), transactionalId: 'began-nothing' }],
  },
]
