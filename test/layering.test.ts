// Holds the import directions: the folders of src stand in layers, and an import points to the same folder or to one below it.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { test } from 'node:test'

/** Top to bottom. */
const layers = [
  'cli',
  'gateway',
  'streams',
  'embedded',
  'client',
  'broker',
  'coordinators',
  'controller',
  'replica',
  'ensemble',
  'link',
  'threads',
  'log',
  'protocol',
  'metrics',
  'env',
  'model',
]
/** What a folder may never import, though it lies below. */
const forbidden: Readonly<Record<string, readonly string[]>> = {
  client: ['broker', 'coordinators', 'controller', 'replica', 'ensemble', 'threads', 'link', 'log'],
  streams: ['broker', 'coordinators', 'controller', 'replica', 'ensemble', 'threads', 'link', 'log', 'embedded'],
  coordinators: ['threads', 'log', 'replica'],
  controller: ['log', 'protocol', 'replica'],
}

const root = join(import.meta.dirname, '..', '..', 'src')
const sources = readdirSync(root, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => join(entry.parentPath, entry.name))

function folderOf(path: string): string {
  return relative(root, path).split(sep)[0]!
}

function* imports(): Generator<{ file: string; from: string; to: string }> {
  for (const file of sources) {
    if (dirname(file) === root) continue
    for (const [, target] of readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
      const to = resolve(dirname(file), target!)
      if (!to.startsWith(root + sep)) continue
      yield { file: relative(root, file), from: folderOf(file), to: folderOf(to) }
    }
  }
}

test('every folder of src is a known layer', () => {
  const folders = new Set(sources.filter((file) => dirname(file) !== root).map(folderOf))
  assert.deepEqual(
    [...folders].filter((folder) => !layers.includes(folder)),
    [],
  )
})

test('imports point to the same layer or downwards', () => {
  const upwards = [...imports()].filter(({ from, to }) => layers.indexOf(to) < layers.indexOf(from))
  assert.deepEqual(upwards, [])
})

test('no layer imports what it must not know', () => {
  const broken = [...imports()].filter(({ from, to }) => forbidden[from]?.includes(to))
  assert.deepEqual(broken, [])
})

test('only log/native.ts loads the addon', () => {
  const loaders = sources.filter((file) => /native\/addon/.test(readFileSync(file, 'utf8'))).map((file) => relative(root, file))
  assert.deepEqual(loaders, [join('log', 'native.ts')])
})
