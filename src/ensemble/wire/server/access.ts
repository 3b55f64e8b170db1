// Who a connection is: the digest and ip schemes, and super by a configured digest. Pure but for SHA-1.

import { createHash, timingSafeEqual } from 'node:crypto'
import type { AuthId } from '../../tree/types.js'

/** `user:password` as ZooKeeper stores it: `user:base64(sha1(user:password))`. */
export function digestOf(userAndPassword: string): string {
  const user = userAndPassword.split(':', 1)[0]!
  return `${user}:${createHash('sha1').update(userAndPassword).digest('base64')}`
}

/** The identities that an auth packet proves; null: refused. */
export function authenticate(scheme: string, auth: Uint8Array | null, address: string, superDigest: string | undefined): AuthId[] | null {
  if (scheme === 'ip') return [{ scheme: 'ip', id: address }]
  if (scheme !== 'digest') return null
  const id = digestOf(Buffer.from(auth ?? []).toString('utf8'))
  const own: AuthId = { scheme: 'digest', id }
  return superDigest !== undefined && sameText(id, superDigest) ? [{ scheme: 'super', id: '' }, own] : [own]
}

function sameText(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)]
  return a.length === b.length && timingSafeEqual(a, b)
}

/** What whoAmI calls an identity: never the hash. */
export function userOf(who: AuthId): string {
  return who.scheme === 'digest' ? who.id.split(':', 1)[0]! : who.id
}
