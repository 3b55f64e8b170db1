// Static settings of a node: a `.properties` or `.toml` file, then `key=value` pairs that win over it. Reads the
// one file it is told to; everything else is pure. Used by `serve` and by `open()` before a node starts.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { findSetting } from './registry.js'
import { checkSetting, unknownSetting } from './validation.js'
import { canonical } from './values.js'

/** A problem with what the person configured: `message` says what, where and the fix. */
export class ConfigError extends Error {
  readonly code = 'ERR_MILLRACE_CONFIG'
}

export interface StaticConfig {
  /** Checked and in canonical form, ready for a ConfigStore. */
  readonly properties: ReadonlyMap<string, string>
  /** One line for each setting that is known but changes nothing here. */
  readonly warnings: readonly string[]
}

export interface StaticConfigInput {
  /** A `.properties` or `.toml` file. */
  readonly file?: string
  /** `key=value` texts (`--set`), later ones win; all win over the file. */
  readonly set?: readonly string[]
  /** Settings from flags of their own (`--listen`, …); they win over everything. */
  readonly flags?: ReadonlyMap<string, string>
}

/** Throws ConfigError for an unreadable file, an unknown setting or a value that does not fit. */
export function loadStaticConfig(input: StaticConfigInput): StaticConfig {
  const merged = new Map<string, { value: string; where: string }>()
  const add = (name: string, value: string, where: string): void => void merged.set(name, { value, where })
  if (input.file !== undefined) for (const [name, value] of loadFile(input.file)) add(name, value, input.file)
  for (const text of input.set ?? []) add(...parsePair(text), '--set')
  for (const [name, value] of input.flags ?? []) add(name, value, 'the command line')

  const properties = new Map<string, string>()
  const warnings: string[] = []
  for (const [name, { value, where }] of merged) {
    const definition = findSetting('broker', name)
    if (!definition) throw new ConfigError(`${unknownSetting('broker', name)} (in ${where})`)
    const problem = checkSetting('broker', name, value)
    if (problem) throw new ConfigError(`${problem} (in ${where})`)
    properties.set(name, canonical(definition, value))
    if (definition.status === 'known')
      warnings.push(
        `${name} is a Kafka setting that this version knows but does not act on (in ${where}); remove it to be rid of this warning`,
      )
  }
  return { properties, warnings }
}

function parsePair(text: string): [string, string] {
  const at = text.indexOf('=')
  if (at < 1)
    throw new ConfigError(
      `--set takes key=value, and ${JSON.stringify(text)} has no key before a "="; write for example --set log.retention.hours=24`,
    )
  return [text.slice(0, at).trim(), text.slice(at + 1)]
}

function loadFile(file: string): Map<string, string> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new ConfigError(`cannot read the configuration file ${file}: ${(cause as Error).message}; give an existing file to --config`, {
      cause,
    })
  }
  if (!file.endsWith('.toml')) return parseProperties(text)
  try {
    // Loaded when there is such a file.
    const { parse } = createRequire(import.meta.url)('smol-toml') as typeof import('smol-toml')
    return flattenToml(parse(text))
  } catch (cause) {
    throw new ConfigError(`the configuration file ${file} is not valid TOML: ${(cause as Error).message}`, { cause })
  }
}

/** Tables and dotted keys become dotted names; arrays become lists. */
export function flattenToml(table: object, prefix = '', into = new Map<string, string>()): Map<string, string> {
  for (const [key, value] of Object.entries(table) as [string, unknown][]) {
    const name = prefix + key
    if (Array.isArray(value)) into.set(name, value.map(String).join(','))
    else if (typeof value === 'object' && value !== null && !(value instanceof Date)) flattenToml(value, `${name}.`, into)
    else into.set(name, String(value))
  }
  return into
}

/** Java's .properties syntax: `=`, `:` or blank after the key, # and ! comments, `\` line continuation, \t \n \r \f \uXXXX and \x = x. */
export function parseProperties(text: string): Map<string, string> {
  const result = new Map<string, string>()
  for (const line of logicalLines(text)) {
    let end = 0
    while (end < line.length && !/[=:\s]/.test(line[end]!)) end += line[end] === '\\' ? 2 : 1
    const rest = line.slice(end)
    const value = rest.replace(/^[ \t\f]*[=:]?[ \t\f]*/, '')
    result.set(unescapeJava(line.slice(0, end)), unescapeJava(value))
  }
  return result
}

/** Lines joined over a trailing odd number of backslashes; blank and comment lines dropped. */
function logicalLines(text: string): string[] {
  const lines: string[] = []
  let open: string | undefined
  for (const natural of text.split(/\r\n|\r|\n/)) {
    const line = natural.replace(/^[ \t\f]+/, '')
    if (open === undefined && (line === '' || line[0] === '#' || line[0] === '!')) continue
    const whole: string = (open ?? '') + line
    const slashes = /\\*$/.exec(line)![0].length
    if (slashes % 2 === 1) {
      open = whole.slice(0, -1)
    } else {
      lines.push(whole)
      open = undefined
    }
  }
  if (open !== undefined && open !== '') lines.push(open)
  return lines
}

function unescapeJava(text: string): string {
  return text.replace(/\\(u[0-9a-fA-F]{4}|[\s\S])/g, (_, escape: string) => {
    if (escape.length === 5) return String.fromCharCode(parseInt(escape.slice(1), 16))
    return { t: '\t', n: '\n', r: '\r', f: '\f' }[escape] ?? escape
  })
}
