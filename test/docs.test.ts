// Holds the documents to the tree: files they name are there, and their links lead somewhere.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { handledKeys } from '../src/broker/handlers/index.js'
import { apis } from '../src/protocol/schema/index.js'

const root = join(import.meta.dirname, '..', '..')
/** What is written and what is made from it: everything else at the top is neither named nor linked to. */
const folders = ['src', 'native', 'test', 'bench', 'examples', 'docs']
const documents = ['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md', ...readdirSync(join(root, 'docs')).map((name) => join('docs', name))]

const files = [
  ...readdirSync(root),
  ...folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, join(entry.parentPath, entry.name))),
  ),
]

const read = (document: string): string => readFileSync(join(root, document), 'utf8')

test('every source file that ARCHITECTURE.md names is there', () => {
  const named = [...read('ARCHITECTURE.md').matchAll(/`([a-z][\w./-]*\.(?:ts|rs|mjs|cjs))(?=[` ])/g)].map(([, name]) => name!)
  assert.ok(named.length > 50, `${named.length} names`)
  assert.deepEqual(
    [...new Set(named)].filter((name) => !files.some((file) => file === name || file.endsWith(`/${name}`))),
    [],
  )
})

test("README's table has every API that is served, in its versions", () => {
  const served = Object.entries(apis).filter(([, { key }]) => handledKeys.includes(key))
  const rows = [...read('README.md').matchAll(/\| (\w+) \| (\d+(?:-\d+)?)(?= |\b)/g)].map(([, name, versions]) => `${name} ${versions}`)
  const expected = served.map(([name, { minVersion: min, maxVersion: max }]) => {
    const versions = min === max ? `${min}` : `${min}-${max}`
    return `${name[0]!.toUpperCase()}${name.slice(1)} ${versions}`
  })
  assert.deepEqual(rows.toSorted(), expected.toSorted())
})

/** As GitHub makes it of a heading. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-')
}

for (const document of documents.filter((name) => name.endsWith('.md'))) {
  test(`the links of ${basename(document)} lead to files and headings`, () => {
    const broken: string[] = []
    for (const [, target] of read(document).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target!)) continue
      const [path, fragment] = target!.split('#') as [string, string?]
      const file = path === '' ? document : join(dirname(document), path)
      const headings = (): string[] => [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchor(heading!))
      if (!existsSync(join(root, file)) || (fragment !== undefined && !headings().includes(fragment))) broken.push(target!)
    }
    assert.deepEqual(broken, [])
  })
}
