// `epochs`: what a member of several has promised (acceptedEpoch, to whom) and whose history it holds (currentEpoch).
// Text with a checksum, written aside, synced and renamed into place. Pure over the bytes.

import { crc32c } from '@node-rs/crc32'

export interface StoredEpochs {
  readonly acceptedEpoch: number
  readonly acceptedFrom: number
  readonly currentEpoch: number
}

export const EPOCHS_FILE = 'epochs'

export function encodeEpochs({ acceptedEpoch, acceptedFrom, currentEpoch }: StoredEpochs): Buffer {
  const text = `version=1\nacceptedEpoch=${acceptedEpoch}\nacceptedFrom=${acceptedFrom}\ncurrentEpoch=${currentEpoch}\n`
  return Buffer.from(`${text}crc32c=${crc32c(text).toString(16)}\n`)
}

/** Null: damaged. A member that forgot its promises must not vote. */
export function decodeEpochs(bytes: Buffer): StoredEpochs | null {
  const match = /^(version=1\nacceptedEpoch=(\d+)\nacceptedFrom=(-?\d+)\ncurrentEpoch=(\d+)\n)crc32c=([0-9a-f]+)\n$/.exec(bytes.toString())
  if (!match || crc32c(match[1]!).toString(16) !== match[5]) return null
  return { acceptedEpoch: Number(match[2]), acceptedFrom: Number(match[3]), currentEpoch: Number(match[4]) }
}
