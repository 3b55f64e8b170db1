// Access lists: is a list legal, and may somebody do something. Pure. Schemes: world, digest, ip, auth (expanded
// at create to what the session authenticated as), super.

import { ZkCode } from './codes.js'
import type { Acl, AuthId } from './types.js'

export function isAllowed(acl: readonly Acl[], perm: number, auth: readonly AuthId[]): boolean {
  if (auth.some((who) => who.scheme === 'super')) return true
  for (const entry of acl) {
    if ((entry.perms & perm) === 0) continue
    if (entry.scheme === 'world' && entry.id === 'anyone') return true
    if (auth.some((who) => who.scheme === entry.scheme && matches(entry, who))) return true
  }
  return false
}

function matches(entry: Acl, who: AuthId): boolean {
  if (entry.scheme !== 'ip') return entry.id === who.id
  const [network, bits] = entry.id.split('/')
  if (bits === undefined) return entry.id === who.id
  const net = ipv4(network!)
  const address = ipv4(who.id)
  if (net === null || address === null) return false
  const shift = 32 - Number(bits)
  return shift >= 32 || net >>> shift === address >>> shift
}

function ipv4(text: string): number | null {
  const parts = text.split('.').map(Number)
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) return null
  return ((parts[0]! << 24) | (parts[1]! << 16) | (parts[2]! << 8) | parts[3]!) >>> 0
}

/** The list as it is stored (duplicates gone, `auth` expanded), or InvalidACL. */
export function normalizeAcl(acl: readonly Acl[], auth: readonly AuthId[]): readonly Acl[] | number {
  const stored: Acl[] = []
  const add = (entry: Acl): void => {
    if (!stored.some((s) => s.perms === entry.perms && s.scheme === entry.scheme && s.id === entry.id)) stored.push(entry)
  }
  for (const entry of acl) {
    if (entry.scheme === 'auth') {
      const owners = auth.filter((who) => who.scheme === 'digest' || who.scheme === 'super')
      if (owners.length === 0) return ZkCode.invalidAcl
      for (const who of owners) add({ perms: entry.perms, scheme: who.scheme, id: who.id })
    } else if (isLegal(entry)) add(entry)
    else return ZkCode.invalidAcl
  }
  return stored.length === 0 ? ZkCode.invalidAcl : stored
}

function isLegal(entry: Acl): boolean {
  switch (entry.scheme) {
    case 'world':
      return entry.id === 'anyone'
    case 'digest':
      return entry.id.split(':').length === 2
    case 'ip': {
      const [network, bits] = entry.id.split('/')
      return ipv4(network!) !== null && (bits === undefined || (/^\d{1,2}$/.test(bits) && Number(bits) <= 32))
    }
    default:
      return false
  }
}
