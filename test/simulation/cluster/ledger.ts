// What was promised and what was seen: acknowledged records, committed reads, leaders, watermarks. Breaking any of it is a bug.

import type { MetadataImage } from '../../../src/controller/image.js'
import type { HostedPartition } from '../../../src/replica/hosted-partition.js'
import { crc32c } from '@node-rs/crc32'

export class InvariantBroken extends Error {}

export interface StoredRecord {
  readonly offset: number
  readonly value: string
}

export class Ledger {
  /** Partition → offset → the record a consumer was given, or a producer was told to be there. */
  readonly #known = new Map<string, Map<number, string>>()
  /** Partition → leader epoch → leader. */
  readonly #leaders = new Map<string, Map<number, number>>()
  readonly #seen = new WeakMap<HostedPartition, { watermark: number; leaderEpoch: number; partitionEpoch: number }>()
  /** By node, what was looked at last: an image that has not changed is the same object. */
  readonly #images = new Map<number, MetadataImage>()
  /** Partition and partition epoch → the decision, the same everywhere. */
  readonly #decisions = new Map<string, string>()
  failure: Error | undefined

  broken(text: string): void {
    this.failure ??= new InvariantBroken(text)
  }

  /** Acknowledged or read below the high watermark: it is there from now on. */
  committed(key: string, { offset, value }: StoredRecord, how: string): void {
    let known = this.#known.get(key)
    if (!known) this.#known.set(key, (known = new Map()))
    const before = known.get(offset)
    if (before !== undefined && before !== value) this.broken(`${key} offset ${offset} was ${before}; ${how} it is ${value}`)
    known.set(offset, value)
  }

  knownOf(key: string): ReadonlyMap<number, string> {
    return this.#known.get(key) ?? new Map<number, string>()
  }

  /** What the controllers have decided: each state of a partition once, and none of an image goes back. */
  lookAtImage(node: number, image: MetadataImage): void {
    const before = this.#images.get(node)
    if (before === image) return
    this.#images.set(node, image)
    for (const [name, { partitions }] of image.topics) {
      if (before?.topics.get(name)?.partitions === partitions) continue
      for (const { partition, partitionEpoch, leaderEpoch, leader, isr, replicas, addingReplicas, removingReplicas } of partitions) {
        const state = `${name}-${partition} partition epoch ${partitionEpoch}`
        const decision = `leader ${leader} epoch ${leaderEpoch} isr ${isr.join()} of ${replicas.join()} +${addingReplicas.join()} -${removingReplicas.join()}`
        const isReplica = (id: number): boolean => replicas.includes(id)
        if (
          isr.length === 0 ||
          ![...isr, ...addingReplicas, ...removingReplicas].every(isReplica) ||
          (leader !== -1 && !isr.includes(leader))
        )
          this.broken(`${state} makes no sense: ${decision}`)
        const known = this.#decisions.get(state) ?? decision
        this.#decisions.set(state, decision)
        if (known !== decision) this.broken(`${state} was ${known}; on node ${node} it is ${decision}`)
        const former = before?.topics.get(name)?.partitions[partition]
        if (former && before.zxid <= image.zxid && (former.partitionEpoch > partitionEpoch || former.leaderEpoch > leaderEpoch))
          this.broken(`${state} on node ${node}: the decision went back from partition epoch ${former.partitionEpoch}`)
      }
    }
  }

  /** After every event: one leader an epoch, and nothing of a life goes back. */
  look(node: number, key: string, hosted: HostedPartition, mayGoBack: boolean): void {
    const { role, leaderEpoch, partitionEpoch, highWatermark } = hosted.state
    if (role === 'leader') {
      let leaders = this.#leaders.get(key)
      if (!leaders) this.#leaders.set(key, (leaders = new Map()))
      const leader = leaders.get(leaderEpoch) ?? node
      leaders.set(leaderEpoch, leader)
      if (leader !== node) this.broken(`${key} epoch ${leaderEpoch} is led by ${leader} and by ${node}`)
    }
    const seen = this.#seen.get(hosted)
    if (seen && (leaderEpoch < seen.leaderEpoch || partitionEpoch < seen.partitionEpoch))
      this.broken(`${key} on node ${node}: its epochs went back`)
    if (seen && highWatermark < seen.watermark && !mayGoBack)
      this.broken(`${key} on node ${node}: the high watermark went back from ${seen.watermark} to ${highWatermark}`)
    if (seen) {
      seen.watermark = highWatermark
      seen.leaderEpoch = leaderEpoch
      seen.partitionEpoch = partitionEpoch
    } else this.#seen.set(hosted, { watermark: highWatermark, leaderEpoch, partitionEpoch })
  }
}

/** The records of whole batches; undefined where a checksum is wrong, or offsets do not rise to below `end`, as our consumer sees it. */
export function recordsOf(bytes: Buffer, end = Infinity): StoredRecord[] | undefined {
  const records: StoredRecord[] = []
  let next = -1
  for (let at = 0; at + 61 <= bytes.length;) {
    const size = 12 + bytes.readInt32BE(at + 8)
    if (size < 61 || at + size > bytes.length) break
    if (crc32c(bytes.subarray(at + 21, at + size)) !== bytes.readUInt32BE(at + 17)) return undefined
    const base = Number(bytes.readBigInt64BE(at))
    if (base < next || base >= end) return undefined
    next = base + bytes.readInt32BE(at + 23) + 1
    const reader = { bytes, at: at + 61 }
    for (let left = bytes.readInt32BE(at + 57); left > 0; left--) {
      varint(reader)
      reader.at++ // attributes
      varint(reader)
      const delta = varint(reader)
      const key = varint(reader)
      reader.at += Math.max(0, key)
      const length = varint(reader)
      records.push({ offset: base + delta, value: bytes.toString('latin1', reader.at, reader.at + length) })
      reader.at += length
      varint(reader) // headers
    }
    at += size
  }
  return records
}

function varint(reader: { bytes: Buffer; at: number }): number {
  let raw = 0
  for (let shift = 0; ; shift += 7) {
    const byte = reader.bytes[reader.at++]!
    raw |= (byte & 127) << shift
    if (byte < 128) return (raw >>> 1) ^ -(raw & 1)
  }
}
