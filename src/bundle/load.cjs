// Loads the bundle beside it, with the code cache when it is of this very V8; else it is compiled, a few ten milliseconds slower. Under
// --enable-source-maps, --inspect or coverage it is loaded as any module is, so that stacks and breakpoints are those of src.

'use strict'

const { readFileSync, writeFileSync } = require('node:fs')
const { createRequire, enableCompileCache } = require('node:module')
const { dirname, join } = require('node:path')
const vm = require('node:vm')

const file = join(__dirname, 'millrace.cjs')
const cacheFile = join(__dirname, `millrace-${process.versions.v8}-${process.arch}.cache`)
let script
let entries

function readCache() {
  try {
    return readFileSync(cacheFile)
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}

function debugged() {
  const options = `${process.execArgv.join(' ')} ${process.env.NODE_OPTIONS ?? ''}`
  return /--enable-source-maps|--inspect|--cpu-prof/.test(options) || process.env.NODE_V8_COVERAGE !== undefined
}

function run() {
  if (debugged()) return require(file)
  const cachedData = readCache()
  // The bundle is ASCII: no decoding.
  const source = `(function (exports, require, module, __filename, __dirname) {${readFileSync(file, 'latin1')}\n})`
  script = new vm.Script(source, { filename: file, ...(cachedData ? { cachedData } : {}) })
  if (cachedData === undefined || script.cachedDataRejected) enableCompileCache?.()
  const module = { exports: {} }
  script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file))
  return module.exports
}

module.exports = function load(name) {
  entries ??= run()
  return entries[name]()
}

/** For the build: what was compiled until now is not compiled again by the next process. */
module.exports.writeCache = () => writeFileSync(cacheFile, script.createCachedData())
