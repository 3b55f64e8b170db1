// The effective settings of one node and of its topics, with where each value comes from. Pure: reads the
// metadata image it is given, never files or the environment. Every thread builds its own from the same input.
//
// Precedence, strongest first: dynamic topic (1), dynamic per broker (2), dynamic broker default (3),
// static (4: file and flags), built-in (5). The numbers are Kafka's ConfigSource.

import type { LogConfig } from '../../log/config.js'
import type { ConfigResourceKind, MetadataImage } from '../../controller/image.js'
import { configKey } from '../../controller/image.js'
import { ConfigSource, WIRE_TYPE } from './definition.js'
import type { SettingDefinition } from './definition.js'
import { BROKER_TABLE, brokerChain, findSetting, settingsOf, TOPIC_TABLE } from './registry.js'
import { GROUP_SYNONYMS, TOPIC_SYNONYMS } from './settings/resources.js'
import type { ConfigEntry, ConfigStoreInput, ConfigSynonym, TopicConfig } from './store-types.js'
import { buildTopicConfig, toLogConfig } from './topic-config.js'
import { checkChange, checkSetting, checkTogether } from './validation.js'
import { parseList } from './values.js'

export type { ConfigEntry, ConfigStoreInput, ConfigSynonym, TopicConfig } from './store-types.js'

type Overrides = ReadonlyMap<string, string>
const NONE: Overrides = new Map()

/** A value with the setting and the source it came from; `value` is in the unit of the setting that was asked for. */
interface Effective {
  readonly value: string | null
  readonly source: number
}

export class ConfigStore {
  readonly nodeId: number
  readonly #static: Overrides
  readonly #image: () => MetadataImage
  /** What the caches below were built from. */
  #configs: MetadataImage['configs'] | undefined
  readonly #topics = new Map<string, TopicConfig>()
  readonly #broker = new Map<string, string | null>()
  #plainTopic: TopicConfig | undefined

  /** `image` is asked on every read, so one store follows the newest image of its thread. */
  constructor(input: ConfigStoreInput, image: () => MetadataImage) {
    this.nodeId = input.nodeId
    // The id is always shown as set, whatever it came by.
    const id = String(input.nodeId)
    this.#static = new Map([['node.id', id], ['broker.id', id], ...input.properties])
    this.#image = image
  }

  /** The input again, to build the same store on another thread. */
  get input(): ConfigStoreInput {
    return { nodeId: this.nodeId, properties: this.#static }
  }

  /** NaN when the setting has no value; never above Number.MAX_SAFE_INTEGER. Throws for a name that is not defined. */
  getNumber(name: string): number {
    const value = this.#brokerValue(name)
    return value === null ? NaN : Math.min(Number(value), Number.MAX_SAFE_INTEGER)
  }

  /** '' when the setting has no value. */
  getString(name: string): string {
    return this.#brokerValue(name) ?? ''
  }

  getBoolean(name: string): boolean {
    return this.#brokerValue(name)?.toLowerCase() === 'true'
  }

  getList(name: string): readonly string[] {
    return parseList(this.#brokerValue(name) ?? '')
  }

  /** True when a static or dynamic value is set, i.e. it does not come from the built-in default. */
  isSet(name: string): boolean {
    return this.#effective(name).source !== ConfigSource.default
  }

  /** Cached until the image's configs change. Topics without overrides share one object. */
  topic(name: string): TopicConfig {
    const configs = this.#freshConfigs()
    const overrides = configs.get(configKey('topic', name))
    if (!overrides) return (this.#plainTopic ??= this.#buildTopic(NONE))
    let config = this.#topics.get(name)
    if (!config) {
      config = this.#buildTopic(overrides)
      this.#topics.set(name, config)
    }
    return config
  }

  /** The topic's settings as its partitions' logs take them. */
  logConfig(topic: string): LogConfig {
    return toLogConfig(this.topic(topic), this.getNumber('producer.id.expiration.ms'))
  }

  /** Settings of a group (`consumer.session.timeout.ms`, …) as text; null when it has none. */
  groupSetting(group: string, name: string): string | null {
    const own = this.#freshConfigs().get(configKey('group', group))?.get(name)
    if (own !== undefined) return own
    const synonym = GROUP_SYNONYMS[name]
    return synonym ? this.#brokerValue(synonym) : (settingsOf('group').get(name)?.default ?? null)
  }

  /** Rows for DescribeConfigs, sorted by name. Broker '' lists the dynamic cluster-wide defaults alone. */
  describe(kind: ConfigResourceKind, name: string): ConfigEntry[] {
    const overrides = this.#image().configs.get(configKey(kind, name)) ?? NONE
    if (kind === 'broker' && name === '') return this.#describeDefaults(overrides)
    const rows: ConfigEntry[] = []
    for (const definition of settingsOf(kind).values()) {
      if (definition.internal && !overrides.has(definition.name) && !(kind === 'broker' && this.#static.has(definition.name))) continue
      rows.push(kind === 'broker' ? this.#brokerEntry(definition.name, definition) : this.#resourceEntry(kind, definition, overrides))
    }
    if (kind === 'broker') rows.push(...this.#listenerScopedEntries())
    return rows
  }

  /** Null: the value may be set. Else what is wrong, ready for an error message. A null value resets and is always fine. */
  validate(kind: ConfigResourceKind, name: string, value: string | null): string | null {
    return checkSetting(kind, name, value)
  }

  /** As `validate`, for a change at run time: also refuses read-only and wrongly scoped broker settings. `resource`: topic, broker id or ''. */
  validateChange(kind: ConfigResourceKind, resource: string, name: string, value: string | null): string | null {
    return checkChange(kind, resource, name, value)
  }

  /** A line for the log when the setting is known but changes nothing here; null for one that is acted on. */
  warning(kind: ConfigResourceKind, name: string): string | null {
    const idle = findSetting(kind, name)?.status === 'known'
    return idle ? `${name} is a Kafka setting that this version knows but does not act on` : null
  }

  /** Checks a resource's overrides together, against the effective values they would give. */
  validateTogether(kind: ConfigResourceKind, overrides: Overrides): string | null {
    return kind === 'topic' ? checkTogether(this.#buildTopic(overrides)) : null
  }

  /** True when APPEND and SUBTRACT apply to the setting (of whichever kind has the name). */
  isListType(name: string): boolean {
    const kinds = ['topic', 'broker', 'group', 'client-metrics'] as const
    return kinds.some((kind) => findSetting(kind, name)?.type === 'list')
  }

  /** The built-in or inherited text of a list setting, which APPEND and SUBTRACT start from. */
  currentValue(kind: ConfigResourceKind, resource: string, name: string): string | null {
    return this.describe(kind, resource).find((entry) => entry.name === name)?.value ?? null
  }

  #freshConfigs(): MetadataImage['configs'] {
    const configs = this.#image().configs
    if (configs !== this.#configs) {
      this.#configs = configs
      this.#topics.clear()
      this.#broker.clear()
      this.#plainTopic = undefined
    }
    return configs
  }

  /** Broker overrides in the image: this node's, then the cluster-wide defaults. */
  #dynamicBroker(): readonly [own: Overrides, defaults: Overrides] {
    const configs = this.#image().configs
    return [configs.get(configKey('broker', String(this.nodeId))) ?? NONE, configs.get(configKey('broker', '')) ?? NONE]
  }

  #brokerValue(name: string): string | null {
    this.#freshConfigs()
    let value = this.#broker.get(name)
    if (value === undefined) {
      value = this.#effective(name).value
      this.#broker.set(name, value)
    }
    return value
  }

  /** The chain's strongest value (log.retention.ms before .minutes before .hours), in the unit of `name`. */
  #effective(name: string): Effective {
    const definition = findSetting('broker', name)
    if (!definition) throw new Error(`the broker setting ${name} is not defined`)
    const chain = brokerChain(name)
    const factor = chain.find(([member]) => member === name)?.[1] ?? 1
    const found = this.#synonyms(chain).find((synonym) => synonym.value !== null)
    if (!found) return { value: null, source: ConfigSource.default }
    const foundFactor = chain.find(([member]) => member === found.name)![1]
    return { value: convert(found.value!, foundFactor / factor), source: found.source }
  }

  /** Every place that gives the chain a value, strongest first, with the value as written there. */
  #synonyms(chain: readonly (readonly [name: string, factor: number])[]): ConfigSynonym[] {
    const [own, defaults] = this.#dynamicBroker()
    const layers: readonly (readonly [Overrides, number])[] = [
      [own, ConfigSource.dynamicBroker],
      [defaults, ConfigSource.dynamicDefaultBroker],
      [this.#static, ConfigSource.staticBroker],
    ]
    const found: ConfigSynonym[] = []
    for (const [layer, source] of layers) {
      for (const [name] of chain) {
        const value = layer.get(name)
        if (value !== undefined) found.push({ name, value, source })
      }
    }
    for (const [name] of chain) {
      const value = BROKER_TABLE.get(name)?.default ?? null
      if (value !== null) found.push({ name, value, source: ConfigSource.default })
    }
    return found
  }

  #topicValue(name: string, overrides: Overrides): string | null {
    const own = overrides.get(name)
    if (own !== undefined) return own
    const chain = TOPIC_SYNONYMS[name]
    const found = chain && this.#synonyms(chain)[0]
    if (!found) return TOPIC_TABLE.get(name)?.default ?? null
    return convert(found.value!, chain.find(([member]) => member === found.name)![1])
  }

  #buildTopic(overrides: Overrides): TopicConfig {
    const nodeLimit = this.getNumber('millrace.max.decompressed.bytes')
    return buildTopicConfig((name) => this.#topicValue(name, overrides), nodeLimit, this.nodeId)
  }

  #resourceEntry(kind: ConfigResourceKind, definition: SettingDefinition, overrides: Overrides): ConfigEntry {
    const own = overrides.get(definition.name)
    const ownSource = kind === 'topic' ? ConfigSource.topic : kind === 'group' ? ConfigSource.group : ConfigSource.clientMetrics
    const groupSynonym = kind === 'group' ? GROUP_SYNONYMS[definition.name] : undefined
    const chain = kind === 'topic' ? TOPIC_SYNONYMS[definition.name] : groupSynonym ? brokerChain(groupSynonym) : undefined
    const synonyms = chain ? this.#synonyms(chain) : []
    if (own !== undefined) synonyms.unshift({ name: definition.name, value: own, source: ownSource })
    let value = own ?? definition.default
    if (own === undefined && kind === 'topic') value = this.#topicValue(definition.name, overrides)
    if (own === undefined && groupSynonym) value = this.#brokerValue(groupSynonym)
    return entry(definition.name, definition, value, synonyms, false)
  }

  #brokerEntry(name: string, definition: SettingDefinition): ConfigEntry {
    const chain = brokerChain(name)
    // As Kafka: the row's value is what was set under its own name, and weaker names follow only behind it.
    const all = this.#synonyms(chain)
    const at = all.findIndex((synonym) => synonym.name === name)
    const synonyms = at < 0 ? [] : all.slice(at)
    const own = synonyms[0]
    return entry(name, definition, own?.value ?? null, synonyms, definition.mode === 'read-only')
  }

  #describeDefaults(overrides: Overrides): ConfigEntry[] {
    const rows: ConfigEntry[] = []
    for (const [name, value] of [...overrides].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      const definition = findSetting('broker', name)
      if (!definition) continue
      const synonyms = [{ name, value, source: ConfigSource.dynamicDefaultBroker }]
      rows.push(entry(name, definition, value, synonyms, definition.mode === 'read-only'))
    }
    return rows
  }

  /** Settings written for one listener are not in the table; they are listed when set. */
  #listenerScopedEntries(): ConfigEntry[] {
    const names = new Set([...this.#static.keys(), ...this.#dynamicBroker()[0].keys()].filter((name) => !BROKER_TABLE.has(name)))
    return [...names].toSorted().flatMap((name) => {
      const definition = findSetting('broker', name)
      return definition ? [this.#brokerEntry(name, definition)] : []
    })
  }
}

function entry(
  name: string,
  definition: SettingDefinition,
  value: string | null,
  synonyms: readonly ConfigSynonym[],
  readOnly: boolean,
): ConfigEntry {
  const isSensitive = definition.type === 'password'
  const source = synonyms[0]?.source ?? ConfigSource.default
  return {
    name,
    value: isSensitive ? null : value,
    source,
    isDefault: source === ConfigSource.default,
    readOnly,
    isSensitive,
    synonyms: isSensitive ? synonyms.map((synonym) => ({ ...synonym, value: null })) : synonyms,
    type: WIRE_TYPE[definition.type],
    documentation: definition.doc,
  }
}

/** Text × factor. Kept as text when the unit is the same, so that 2^63-1 stays exact. -1 (for ever) stays -1. */
function convert(value: string, factor: number): string {
  if (factor === 1 || !/^\s*\d+\s*$/.test(value)) return value
  return String(Math.floor(Number(value) * factor))
}
