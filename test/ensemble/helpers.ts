// Temporary directories and members for the ensemble's and the controller's tests.

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { Member } from '../../src/ensemble/member.js'
import { realEnv } from '../../src/env/real.js'

export function tempDir(t: TestContext): string {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'millrace-ens-'))
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }))
  return dir
}

export function openMember(t: TestContext, dir = path.join(tempDir(t), 'ensemble'), snapshotAfterBytes?: number): Member {
  const member = Member.open({ dir, env: realEnv(), ...(snapshotAfterBytes === undefined ? {} : { snapshotAfterBytes }) })
  t.after(() => member.close())
  return member
}

export const bytes = (text: string): Uint8Array => Buffer.from(text)
export const text = (data: Uint8Array | null): string => Buffer.from(data ?? []).toString()
