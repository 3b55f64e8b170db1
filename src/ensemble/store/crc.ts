// CRC32C of what the ensemble stores, by the addon, which the thread coordinator has loaded already: a second native package would be
// looked for and mapped at every start.

import { native } from '../../log/native.js'

export function crc32c(bytes: Uint8Array): number {
  return native().crc32c(bytes, 0, bytes.length)
}
