// Joins all of dist/src into one file that every thread and every door of the package loads, dist/src/bundle/millrace.cjs: most of a start
// was the loading of some 150 modules one by one, and the rest their compilation, which the code cache beside it spares. Runs after tsc,
// whose output stays as it is for the tests and for reading; only the command's entry is replaced by one that loads the bundle, so that a
// plain `npx tsc` always gives a command line of the sources as they are. Debugging: see load.cjs.

import { build } from 'esbuild'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')
// As deep as any folder of dist/src: what modules find relative to themselves (package.json, the addon) is found from here too.
const outdir = join(root, 'dist', 'src', 'bundle')

/** Entry → source. Nothing of it runs before it is asked for. */
const entries = {
  index: './src/index.ts',
  client: './src/client/index.ts',
  testing: './src/embedded/testing.ts',
  main: './src/cli/main.ts',
  'worker-thread': './src/broker/worker-thread.ts',
  'thread-entry': './src/link/thread-entry.ts',
  'pool-thread': './src/threads/pool-thread.ts',
}

/** The benchmarks bring HTML, threads and scripts found by their place, and no start waits for them: they stay modules. */
const benchStaysOutside = {
  name: 'bench stays outside',
  setup(builder) {
    builder.onResolve({ filter: /^\.\/bench\/command\.js$/ }, () => ({ path: './bench-command.cjs', external: true }))
  },
}

async function bundle() {
  await build({
    absWorkingDir: root,
    stdin: {
      resolveDir: root,
      contents: Object.entries(entries)
        .map(([name, source]) => `exports[${JSON.stringify(name)}] = () => require(${JSON.stringify(source)})`)
        .join('\n'),
    },
    outfile: join(outdir, 'millrace.cjs'),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    packages: 'external',
    define: { 'import.meta.url': '__bundleUrl' },
    banner: { js: `'use strict';const __bundleUrl=require('node:url').pathToFileURL(__filename).href;` },
    // Packages are required: import() does not survive the code cache.
    supported: { 'dynamic-import': false },
    plugins: [benchStaysOutside],
    minifyWhitespace: true,
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'warning',
  })
}

/** One small file per entry. The names of a door's exports are spelled out, because importers look for them without running it. */
function writeEntries(load) {
  copyFileSync(join(import.meta.dirname, 'load.cjs'), join(outdir, 'load.cjs'))
  writeFileSync(join(outdir, 'package.json'), '{ "type": "commonjs" }\n')
  for (const name of ['index', 'client', 'testing']) {
    const lines = Object.keys(load(name)).map((key) => `exports.${key} = door.${key}`)
    writeFileSync(join(outdir, `${name}.js`), [`const door = require('./load.cjs')('${name}')`, ...lines, ''].join('\n'))
  }
  // What piscina imports must be the function itself.
  writeFileSync(join(outdir, 'pool-thread.js'), "module.exports = require('./load.cjs')('pool-thread').default\n")
  for (const name of ['main', 'worker-thread', 'thread-entry'])
    writeFileSync(join(outdir, `${name}.js`), `require('./load.cjs')('${name}')\n`)
  writeFileSync(
    join(outdir, 'bench-command.cjs'),
    "exports.registerBenchCommand = async (program) => (await import('../cli/bench/command.js')).registerBenchCommand(program)\n",
  )
  writeFileSync(join(root, 'dist', 'src', 'cli', 'main.js'), "#!/usr/bin/env node\nimport '../bundle/main.js'\n")
}

/** Runs what a start runs, so that the functions it needs are in the cache. */
async function warmUp({ open }) {
  const dataDir = mkdtempSync(join(tmpdir(), 'millrace-build-'))
  try {
    const millrace = await open({ dataDir, workers: 0, listen: { port: 0 } })
    await millrace.producer().send({ topic: 'warm-up', value: 'x' })
    await millrace.close()
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
}

rmSync(outdir, { recursive: true, force: true })
await bundle()
copyFileSync(join(import.meta.dirname, 'load.cjs'), join(outdir, 'load.cjs'))
const load = createRequire(import.meta.url)(join(outdir, 'load.cjs'))
writeEntries(load)
await warmUp(load('index'))
load.writeCache()
