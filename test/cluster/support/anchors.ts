// Reference systems of bench/anchors, planned by their scripts: which processes make a cluster of them.

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** Their jars may have to come first. */
const LIMIT_MS = 600_000

/** What the script prints. Rejects with what it complained of. */
export async function anchor(system: 'kafka' | 'zookeeper', ...args: readonly string[]): Promise<string> {
  const script = fileURLToPath(new URL(`../../../../bench/anchors/${system}.mjs`, import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...args], { timeout: LIMIT_MS })
  return stdout
}
