// Whether the machine has been restarted since a data directory was last used: after a killed process the page cache still holds what it
// wrote, after a restart of the machine it does not. Where the system has no boot id, the worse is assumed.

import { join } from 'node:path'
import { readFileIfAny, replaceFile } from './files.js'

const FILE = '.boot'
const LINUX_BOOT_ID = '/proc/sys/kernel/random/boot_id'

function bootId(): string | undefined {
  return readFileIfAny(LINUX_BOOT_ID)?.toString('utf8').trim()
}

/** Notes this machine's boot in `dir`. True when an earlier one stood there, or none. Not made durable: if it is lost, so is the page cache. */
export function noteBoot(dir: string): boolean {
  const before = readFileIfAny(join(dir, FILE))?.toString('utf8').trim()
  const now = bootId()
  if (now !== undefined && before === now) return false
  if (now !== undefined) replaceFile(dir, FILE, Buffer.from(`${now}\n`), false)
  return true
}
