// A small disk for one test, where this user may mount one.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { SmallDisk } from '../cluster/support/disk.js'

/** Of `kib` KiB, until the test is over and `closed` has resolved; undefined: mounting is not allowed here, and the caller skips. */
export function smallDisk(t: TestContext, kib: number, closed: () => Promise<unknown> = () => Promise.resolve()): SmallDisk | undefined {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-disk-'))
  let disk: SmallDisk
  try {
    disk = new SmallDisk(dir, kib)
  } catch {
    rmSync(dir, { recursive: true, force: true })
    return undefined
  }
  t.after(async () => {
    await closed()
    disk.close()
    rmSync(dir, { recursive: true, force: true })
  })
  return disk
}
