// The first bytes between two members. Each shows that it knows the cluster's secret before it gets anything else:
//
//   dialer   -> HELLO  magic "MRTE" | lowest u16 | highest u16 protocol version | member id u16 | nonce 32
//   acceptor -> HELLO  the same | proof 32: HMAC-SHA256(secret, "acceptor" | both hellos)
//   dialer   -> PROOF  32: HMAC-SHA256(secret, "dialer" | both hellos)
//
// The version used is the highest that both speak. Pure over bytes; nonces come from the caller.

import { createHmac, timingSafeEqual } from 'node:crypto'

export const HELLO_BYTES = 4 + 2 + 2 + 2 + 32
export const PROOF_BYTES = 32
const MAGIC = 0x4d525445

export interface Hello {
  readonly lowest: number
  readonly highest: number
  readonly memberId: number
}

export function encodeHello(hello: Hello, nonce: Uint8Array): Buffer {
  const bytes = Buffer.alloc(HELLO_BYTES)
  bytes.writeUInt32BE(MAGIC, 0)
  bytes.writeUInt16BE(hello.lowest, 4)
  bytes.writeUInt16BE(hello.highest, 6)
  bytes.writeUInt16BE(hello.memberId, 8)
  bytes.set(nonce.subarray(0, 32), 10)
  return bytes
}

/** Null: no member of an ensemble of ours. */
export function decodeHello(bytes: Buffer): Hello | null {
  if (bytes.length < HELLO_BYTES || bytes.readUInt32BE(0) !== MAGIC) return null
  return { lowest: bytes.readUInt16BE(4), highest: bytes.readUInt16BE(6), memberId: bytes.readUInt16BE(8) }
}

export function proof(secret: string, side: 'dialer' | 'acceptor', dialerHello: Buffer, acceptorHello: Buffer): Buffer {
  return createHmac('sha256', secret).update(side).update(dialerHello).update(acceptorHello).digest()
}

export function isProof(given: Buffer, expected: Buffer): boolean {
  return given.length === expected.length && timingSafeEqual(given, expected)
}

/** The version that both speak, or null. */
export function commonVersion(a: Hello, b: Hello): number | null {
  const version = Math.min(a.highest, b.highest)
  return version >= Math.max(a.lowest, b.lowest) ? version : null
}
