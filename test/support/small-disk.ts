// A file system with little space, where this user may mount one.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

export interface SmallDisk {
  readonly dir: string
  /** Takes all the space there is. */
  fill(): void
  free(): void
}

/** Of `kib` KiB, until the test is over and `closed` has resolved; undefined: mounting is not allowed here, and the caller skips. */
export function smallDisk(t: TestContext, kib: number, closed: () => Promise<unknown> = () => Promise.resolve()): SmallDisk | undefined {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kib}k`, 'tmpfs', dir], { stdio: 'ignore' })
  } catch {
    rmSync(dir, { recursive: true, force: true })
    return undefined
  }
  t.after(async () => {
    await closed()
    execFileSync('umount', ['-l', dir])
    rmSync(dir, { recursive: true, force: true })
  })
  const balloon = join(dir, 'balloon')
  return {
    dir,
    fill() {
      try {
        writeFileSync(balloon, Buffer.alloc(2 * kib * 1024))
      } catch {
        // That it does not fit is the point.
      }
    },
    free: () => rmSync(balloon),
  }
}
