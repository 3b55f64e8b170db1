// May this be set? Unknown names (with the nearest known one), values, what may change at run time, and rules
// between settings. Pure; null means yes.

import type { ConfigResourceKind } from '../../controller/image.js'
import { findSetting, nearestName, settingsOf } from './registry.js'
import { TOPIC_SYNONYMS } from './settings/resources.js'
import type { TopicConfig } from './store-types.js'
import { checkValue } from './values.js'

/** What to call the settings of a kind in an error. */
const KIND_WORD: Readonly<Record<ConfigResourceKind, string>> = {
  topic: 'topic',
  broker: 'broker',
  'broker-logger': 'logger',
  'client-metrics': 'client metrics',
  group: 'group',
}

const LOG_LEVELS = ['FATAL', 'ERROR', 'WARN', 'INFO', 'DEBUG', 'TRACE', 'OFF']

export function checkSetting(kind: ConfigResourceKind, name: string, value: string | null): string | null {
  if (kind === 'broker-logger') {
    const known = value === null || LOG_LEVELS.includes(value)
    return known ? null : `Invalid level ${JSON.stringify(value)} for logger ${name}: set it to one of ${LOG_LEVELS.join(', ')}.`
  }
  const definition = findSetting(kind, name)
  if (!definition) return unknownSetting(kind, name)
  return value === null ? null : checkValue(definition, value)
}

export function unknownSetting(kind: ConfigResourceKind, name: string): string {
  const other = otherKind(kind, name)
  const nearest = other?.name ?? nearestName(name, settingsOf(kind).keys())
  const fix = nearest ? `; did you mean ${nearest}?` : '; docs/configuration.md lists all names.'
  return `Unknown ${KIND_WORD[kind]} config name: ${name}${other ? ` (it is a ${other.word} setting)` : ''}${fix}`
}

/** A topic name given for a broker, or the other way round, is the commonest slip: both names of one thing are known. */
function otherKind(kind: ConfigResourceKind, name: string): { word: string; name: string | undefined } | undefined {
  if (kind === 'broker' && settingsOf('topic').has(name)) return { word: 'topic', name: TOPIC_SYNONYMS[name]?.[0]?.[0] }
  if (kind !== 'topic' || !settingsOf('broker').has(name)) return undefined
  const twin = Object.entries(TOPIC_SYNONYMS).find(([, chain]) => chain.some(([member]) => member === name))
  return { word: 'broker', name: twin?.[0] }
}

export function checkChange(kind: ConfigResourceKind, resource: string, name: string, value: string | null): string | null {
  const problem = checkSetting(kind, name, value)
  if (problem || kind !== 'broker') return problem
  const mode = findSetting(kind, name)!.mode
  if (mode === 'read-only') {
    return `Cannot update ${name} dynamically: it is read-only while the node runs; set it in the configuration file or by --set and restart the node.`
  }
  if (mode === 'per-broker' && resource === '') {
    return `Cannot update security config ${name} at the cluster-wide default: set it on each broker by its id.`
  }
  return null
}

/** Rules that need more than one setting. */
export function checkTogether(config: TopicConfig): string | null {
  const { minCompactionLagMs: min, maxCompactionLagMs: max } = config
  if (min > max) {
    return `conflict between topic config setting min.compaction.lag.ms (${min}) and max.compaction.lag.ms (${max}): the first may not be above the second; lower min.compaction.lag.ms or raise max.compaction.lag.ms.`
  }
  return null
}
