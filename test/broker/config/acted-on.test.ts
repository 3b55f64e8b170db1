// A setting marked acted-on is read by the code of a node: a mark nobody keeps is a silent lie to whoever sets it.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { BROKER_TABLE, TOPIC_TABLE } from '../../../src/broker/config/registry.js'
import { TOPIC_SYNONYMS } from '../../../src/broker/config/settings/resources.js'

const SRC = fileURLToPath(new URL('../../../../src', import.meta.url))

/** Every source but the tables themselves. */
function sources(keep: (path: string) => boolean): string {
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts') && keep(path))
  return files.map((path) => readFileSync(join(SRC, path), 'utf8')).join('\n')
}

/** Names put together at run time: `${prefix}.num.partitions` in broker/handlers/auto-create.ts. */
const COMPOSED = /^(offsets\.topic|transaction\.state\.log)\.(num\.partitions|replication\.factor)$/

test('every broker setting marked acted-on is asked for by name, or is the default of a topic setting that is', () => {
  const code = sources((path) => !path.startsWith('broker/config/settings'))
  const inherited = new Set(Object.values(TOPIC_SYNONYMS).flatMap((chain) => chain.map(([name]) => name)))
  const idle = [...BROKER_TABLE.values()].filter(
    ({ name, status }) => status === 'acted-on' && !code.includes(`'${name}'`) && !inherited.has(name) && !COMPOSED.test(name),
  )
  assert.deepEqual(
    idle.map(({ name }) => name),
    [],
  )
})

test('every topic setting marked acted-on reaches code outside the configuration, and the marks of both tables agree', () => {
  const code = sources((path) => !path.startsWith('broker/config'))
  const camel = (name: string): string => name.replace(/\.(\w)/g, (_, letter: string) => letter.toUpperCase())
  const field = (name: string): string =>
    camel(
      name
        .replace(/^max\.decompressed\.message\.bytes$/, 'max.decompressed.bytes')
        .replace(/^compression\.(\w+)\.level$/, '$1.level')
        .replace(/^millrace\./, ''),
    )
  const idle = [...TOPIC_TABLE.values()].filter(
    ({ name, status }) => status === 'acted-on' && !new RegExp(`\\.${field(name)}\\b`).test(code),
  )
  assert.deepEqual(
    idle.map(({ name }) => name),
    [],
  )
  for (const [name, chain] of Object.entries(TOPIC_SYNONYMS)) {
    for (const [synonym] of chain) assert.equal(BROKER_TABLE.get(synonym)!.status, TOPIC_TABLE.get(name)!.status, `${name} and ${synonym}`)
  }
})
