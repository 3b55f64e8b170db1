// Runs every `*.test.js` below this folder with Node's test runner and ends with its closing lines. `npm test -- PATTERN` runs the
// files whose path contains PATTERN.

import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'

const root = import.meta.dirname
const patterns = process.argv.slice(2)
const files = readdirSync(root, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.test.js'))
  .map((entry) => join(entry.parentPath, entry.name))
  .filter((file) => patterns.length === 0 || patterns.some((pattern) => relative(root, file).includes(pattern)))
  .toSorted()

if (files.length === 0) {
  console.error(`no test file matches ${patterns.join(' ')}`)
  process.exit(1)
}
// A file that hangs ends the run with a name, not with silence. The simulations take a minute, and ten or more on a busy machine.
const FILE_LIMIT_MS = 1_800_000
const runner = spawn(
  process.execPath,
  ['--test', `--test-timeout=${FILE_LIMIT_MS}`, '--test-reporter=spec', `--test-concurrency=${availableParallelism()}`, ...files],
  {
    stdio: 'inherit',
  },
)
runner.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)))
