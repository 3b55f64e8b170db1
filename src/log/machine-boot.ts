// Whether the machine has been restarted since a data directory was last used: after a killed process the page cache still holds what it
// wrote, after a restart of the machine it does not. Where the system has no boot id, the worse is assumed.

import { join } from 'node:path'
import { readFileIfAny, replaceFile } from './files.js'

const FILE = '.boot'
const LINUX_BOOT_ID = '/proc/sys/kernel/random/boot_id'

function bootId(): string | undefined {
  return readFileIfAny(LINUX_BOOT_ID)?.toString('utf8').trim()
}

/** Whether an earlier boot stands in `dir`, or none. */
export function isOtherBoot(dir: string): boolean {
  const now = bootId()
  return now === undefined || readFileIfAny(join(dir, FILE))?.toString('utf8').trim() !== now
}

/** Notes this machine's boot in `dir`. Not made durable: if it is lost, so is the page cache. */
export function noteBoot(dir: string): void {
  const now = bootId()
  if (now !== undefined) replaceFile(dir, FILE, Buffer.from(`${now}\n`), false)
}
