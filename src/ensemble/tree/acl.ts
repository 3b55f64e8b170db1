// Access lists: is a list legal, and may somebody do something. Pure. Schemes: world, digest, ip, auth (expanded
// at create to what the session authenticated as), super.

import { isIPv4, isIPv6 } from 'node:net'
import { ZkCode } from './codes.js'
import { Perm, type Acl, type AuthId } from './types.js'

export function isAllowed(acl: readonly Acl[], perm: number, auth: readonly AuthId[]): boolean {
  for (const entry of acl) if ((entry.perms & perm) !== 0 && grants(entry, auth)) return true
  return auth.some((who) => who.scheme === 'super')
}

function grants(entry: Acl, auth: readonly AuthId[]): boolean {
  if (entry.scheme === 'world') return entry.id === 'anyone'
  return auth.some((who) => who.scheme === entry.scheme && (entry.scheme === 'ip' ? inNetwork(entry.id, who.id) : entry.id === who.id))
}

function inNetwork(network: string, address: string): boolean {
  const [base, bits] = network.split('/')
  const [left, right] = [addressBytes(base!), addressBytes(address)]
  if (!left || left.length !== right?.length) return false
  const prefix = bits === undefined ? left.length * 8 : Number(bits)
  for (let i = 0; i < left.length; i++) {
    const open = Math.min(8, Math.max(0, 8 * (i + 1) - prefix))
    if (left[i]! >> open !== right[i]! >> open) return false
  }
  return true
}

function addressBytes(text: string): readonly number[] | null {
  if (isIPv4(text)) return text.split('.').map(Number)
  if (!isIPv6(text) || text.includes('.')) return null
  const [head, tail] = text.split('::').map((half) => (half === '' ? [] : half.split(':').map((word) => parseInt(word, 16))))
  const words = tail === undefined ? head! : [...head!, ...Array.from({ length: 8 - head!.length - tail.length }, () => 0), ...tail]
  return words.flatMap((word) => [word >> 8, word & 0xff])
}

/** The list as it is stored (duplicates gone, `auth` expanded), or InvalidACL. */
export function normalizeAcl(acl: readonly Acl[], auth: readonly AuthId[]): readonly Acl[] | number {
  const stored: Acl[] = []
  const add = (entry: Acl): void => {
    if (!stored.some((s) => s.perms === entry.perms && s.scheme === entry.scheme && s.id === entry.id)) stored.push(entry)
  }
  for (const entry of acl) {
    if (entry.scheme === 'auth') {
      // Only what proves somebody: an address does not.
      const owners = auth.filter((who) => who.scheme === 'digest')
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
      const width = addressBytes(network!)?.length
      return width !== undefined && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= width * 8))
    }
    default:
      return false
  }
}

/** What somebody without ADMIN is shown: who is on the list, not the hashes. */
export function maskedAcl(acl: readonly Acl[], auth: readonly AuthId[]): readonly Acl[] {
  if (isAllowed(acl, Perm.admin, auth)) return acl
  return acl.map((entry) => (entry.scheme === 'digest' ? { ...entry, id: entry.id.replace(/:.*/, ':x') } : entry))
}
