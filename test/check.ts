// One command that says whether a change is good: lint (with types: floating promises), format, clippy, rustfmt, cargo's tests. The types
// themselves were checked by the build before this runs. Runs all, then fails if any failed.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')
const folders = ['src', 'test', 'bench']
const steps: readonly (readonly [name: string, command: string, args: readonly string[]])[] = [
  ['lint', 'npx', ['--no-install', 'oxlint', '--type-aware', '--deny-warnings', ...folders]],
  ['format', 'npx', ['--no-install', 'oxfmt', '--check', ...folders]],
  ['clippy', 'cargo', ['clippy', '--quiet', '--all-targets', '--', '-D', 'warnings']],
  ['rustfmt', 'cargo', ['fmt', '--check']],
  ['cargo test', 'cargo', ['test', '--quiet', '-p', 'millrace-segment']],
]

const failed: string[] = []
for (const [name, command, args] of steps) {
  const started = performance.now()
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) failed.push(name)
  console.log(`check: ${name} ${status === 0 ? 'ok' : 'FAILED'} (${((performance.now() - started) / 1000).toFixed(1)} s)`)
}
if (failed.length > 0) {
  console.error(`check: ${failed.join(', ')} failed`)
  process.exit(1)
}
