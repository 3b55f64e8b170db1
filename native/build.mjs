// Builds the Rust addon into native/addon (index.js, index.d.ts, millrace.<platform>.node) when its sources are
// newer than what is there. A second run with nothing to do ends in well under 100 ms and starts no tool.
//
// Published packages carry index.js and, per platform, `@millrace/addon-<platform>` with the binary (the layout
// of `napi create-npm-dirs`); where such a package is installed and there are no Rust sources, nothing is built.
//
// `--simulation` makes the test build instead, in target/addon-simulation: the same functions, and disks that lose what
// was not synced (native/addon/src/simulation.rs).

import { spawn, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, readdirSync, renameSync, statSync, utimesSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const nativeDir = dirname(fileURLToPath(import.meta.url))
const root = dirname(nativeDir)
const addonDir = join(nativeDir, 'addon')
const simulation = takeFlag('--simulation')
const force = takeFlag('--force')
const outputDir = join(root, 'target', simulation ? 'addon-simulation' : 'addon')
/** Where the products are used from. */
const productDir = simulation ? outputDir : addonDir
const manifest = join(addonDir, 'Cargo.toml')

function takeFlag(name) {
  const at = process.argv.indexOf(name)
  if (at !== -1) process.argv.splice(at, 1)
  return at !== -1
}

/** Newest change below `path`, in ms; build products do not count. */
function newestSource(path) {
  const info = statSync(path, { throwIfNoEntry: false })
  if (!info) return 0
  if (!info.isDirectory()) return info.mtimeMs
  let newest = 0
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.name === 'target' || entry.name === 'tests' || entry.name === 'benches') continue
    if (entry.isFile() && !/\.(rs|toml)$/.test(entry.name)) continue
    newest = Math.max(newest, newestSource(join(path, entry.name)))
  }
  return newest
}

function productTime() {
  if (!existsSync(join(productDir, 'index.js'))) return 0
  const names = readdirSync(productDir).filter((name) => name.endsWith('.node'))
  if (names.length === 0) return 0
  return Math.max(...names.map((name) => statSync(join(productDir, name)).mtimeMs))
}

function upToDate() {
  const built = productTime()
  if (built === 0) return false
  const sources = [join(nativeDir, 'segment'), addonDir, join(root, 'Cargo.toml'), join(root, 'Cargo.lock')]
  return sources.every((path) => newestSource(path) <= built)
}

/** True when this is an installed package whose platform binary came from the registry. */
function hasPrebuilt() {
  if (existsSync(manifest)) return false
  try {
    createRequire(join(addonDir, 'index.js'))(join(addonDir, 'index.js'))
    return true
  } catch {
    return false
  }
}

function fail(lines) {
  for (const line of lines) console.error(line)
  process.exit(1)
}

function runs(command, args) {
  const result = spawnSync(command, args, { stdio: 'ignore' })
  return !result.error && result.status === 0
}

function installer(debian, fedora, mac) {
  if (process.platform === 'darwin') return mac
  return existsSync('/usr/bin/dnf') ? fedora : debian
}

/** The zstd codec is C, so cargo alone is not enough. */
function requireTools() {
  const missing = []
  if (!runs('cargo', ['--version'])) {
    const rustup = "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y"
    missing.push('  Rust (cargo) is missing. Install it:', `    ${installer(rustup, rustup, rustup)}`, '    then open a new shell, or: . "$HOME/.cargo/env"')
  }
  const compiler = process.env.CC ?? 'cc'
  if (!runs(compiler, ['--version'])) {
    const command = installer('sudo apt-get install -y build-essential', 'sudo dnf install -y gcc gcc-c++ make', 'xcode-select --install')
    missing.push(`  A C compiler (${compiler}) is missing. Install it:`, `    ${command}`)
  }
  if (missing.length > 0) fail(['millrace: cannot build the native addon.', ...missing])
}

function cliPath() {
  try {
    return createRequire(join(root, 'package.json')).resolve('@napi-rs/cli/dist/cli.js')
  } catch {
    const direct = join(root, 'node_modules', '@napi-rs', 'cli', 'dist', 'cli.js')
    if (existsSync(direct)) return direct
    return fail(['millrace: @napi-rs/cli is not installed. Run: npm ci'])
  }
}

/**
 * Moves the products into place by rename: a running process keeps the mapped file it has, where overwriting it
 * would end that process. Their time is now, also when cargo had nothing to do, so that the next run sees it.
 */
function install() {
  const now = new Date()
  for (const name of readdirSync(outputDir)) {
    if (simulation) {
      utimesSync(join(outputDir, name), now, now)
      continue
    }
    const part = join(addonDir, `.${name}.${process.pid}.part`)
    copyFileSync(join(outputDir, name), part)
    utimesSync(part, now, now)
    renameSync(part, join(addonDir, name))
  }
}

function build() {
  const args = [cliPath(), 'build', '--release', '--platform', '--manifest-path', manifest, '--output-dir', outputDir]
  args.push('--package-json-path', join(root, 'package.json'), '--cwd', root, '--js', 'index.js', '--dts', 'index.d.ts')
  if (simulation) args.push('--features', 'simulation')
  const extra = process.argv.slice(2)
  const started = Date.now()
  console.log(`millrace: building the native addon${simulation ? ' of the simulation' : ' (the first time takes about a minute)'}`)
  const child = spawn(process.execPath, [...args, ...extra], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  child.on('error', (error) => fail([`millrace: cannot start @napi-rs/cli: ${error.message}`]))
  child.on('exit', (code, signal) => {
    if (code !== 0) fail([`millrace: the addon build failed (${signal ?? `exit ${code}`}); the messages above say why`])
    install()
    console.log(`millrace: addon ready in ${((Date.now() - started) / 1000).toFixed(1)} s`)
  })
}

if (force || !((!simulation && hasPrebuilt()) || upToDate())) {
  requireTools()
  build()
}
