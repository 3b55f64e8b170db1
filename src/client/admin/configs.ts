// Settings of topics, brokers and groups on the server. Stateless.

import { apis } from '../../protocol/schema/index.js'
import type { Broker } from '../cluster/broker.js'
import type { Cluster } from '../cluster/cluster.js'
import { ClientError } from '../errors.js'
import { type AdminCallOptions, type ChangeOptions, errorsOf, onAny, throwFirst, timeoutOf } from './requests.js'

const RESOURCE_TYPES = { topic: 2, broker: 4, brokerLogger: 8, clientMetrics: 16, group: 32 } as const
export type ConfigResourceType = keyof typeof RESOURCE_TYPES

const SOURCES = [
  'unknown',
  'topic',
  'dynamicBroker',
  'dynamicDefaultBroker',
  'staticBroker',
  'default',
  'dynamicBrokerLogger',
  'clientMetrics',
  'group',
] as const
export type ConfigSource = (typeof SOURCES)[number]

const TYPES = ['unknown', 'boolean', 'string', 'int', 'short', 'long', 'double', 'list', 'class', 'password'] as const

const OPERATIONS = { set: 0, delete: 1, append: 2, subtract: 3 } as const

export interface ConfigResource {
  readonly type: ConfigResourceType
  /** Topic name, broker id (empty: the default of all brokers) or group id. */
  readonly name: string
}

export interface ConfigEntry {
  readonly name: string
  /** Null for sensitive ones. */
  readonly value: string | null
  readonly source: ConfigSource
  readonly readOnly: boolean
  readonly sensitive: boolean
  readonly type: (typeof TYPES)[number]
  readonly documentation: string | null
  /** Where else a value is set, the effective one first. */
  readonly synonyms: readonly { readonly name: string; readonly value: string | null; readonly source: ConfigSource }[]
}

export interface ConfigDescription extends ConfigResource {
  readonly entries: readonly ConfigEntry[]
}

export interface ConfigChange {
  readonly name: string
  /** `append` and `subtract` for lists. Default `set`. */
  readonly operation?: keyof typeof OPERATIONS
  /** Left out for `delete`. */
  readonly value?: string | number | boolean
}

export interface ConfigResourceChange extends ConfigResource {
  readonly changes: readonly ConfigChange[]
}

export interface DescribeConfigsOptions extends AdminCallOptions {
  /** Only these names. */
  readonly names?: readonly string[]
  readonly documentation?: boolean
}

function typeName(code: number): ConfigResourceType {
  for (const [name, value] of Object.entries(RESOURCE_TYPES)) if (value === code) return name as ConfigResourceType
  throw new ClientError('ERR_MILLRACE_UNSUPPORTED', `the broker answered about a resource of unknown type ${code}`)
}

/** A broker's own settings are known to that broker only. */
function byServer<R extends ConfigResource>(resources: readonly R[]): Map<number, R[]> {
  const groups = new Map<number, R[]>()
  for (const resource of resources) {
    const own = (resource.type === 'broker' || resource.type === 'brokerLogger') && resource.name !== ''
    const node = own ? Number(resource.name) : -1
    if (!Number.isInteger(node))
      throw new ClientError('ERR_MILLRACE_ARGUMENT', `a broker's name is its id; '${resource.name}' is not a number`)
    groups.set(node, [...(groups.get(node) ?? []), resource])
  }
  return groups
}

async function onEach<R extends ConfigResource, T>(
  cluster: Cluster,
  what: string,
  resources: readonly R[],
  options: AdminCallOptions,
  ask: (broker: Broker, group: readonly R[]) => Promise<T[]>,
): Promise<T[]> {
  const answers = await Promise.all(
    [...byServer(resources)].map(([node, group]) => {
      if (node < 0) return onAny(cluster, what, options, (broker) => ask(broker, group))
      return cluster.retry(what, timeoutOf(cluster, options), async () => {
        if (cluster.metadata.brokers.size === 0) await cluster.refresh()
        return ask(cluster.requireBroker(node), group)
      })
    }),
  )
  return answers.flat()
}

export function describeConfigs(
  cluster: Cluster,
  resources: readonly ConfigResource[],
  options: DescribeConfigsOptions,
): Promise<ConfigDescription[]> {
  return onEach(cluster, 'describeConfigs', resources, options, async (broker, group) => {
    const answer = await broker.request(apis.describeConfigs, {
      resources: group.map(({ type, name }) => ({
        resourceType: RESOURCE_TYPES[type],
        resourceName: name,
        configurationKeys: options.names ?? null,
      })),
      includeSynonyms: true,
      includeDocumentation: options.documentation ?? false,
    })
    throwFirst(errorsOf(answer.results, ({ resourceName }) => `settings of '${resourceName}'`))
    return answer.results.map(({ resourceType, resourceName, configs }) => ({
      type: typeName(resourceType),
      name: resourceName,
      entries: configs.map((config) => ({
        name: config.name,
        value: config.value,
        source: SOURCES[config.configSource] ?? 'unknown',
        readOnly: config.readOnly,
        sensitive: config.isSensitive,
        type: TYPES[config.configType] ?? 'unknown',
        documentation: config.documentation,
        synonyms: config.synonyms.map(({ name, value, source }) => ({ name, value, source: SOURCES[source] ?? 'unknown' })),
      })),
    }))
  })
}

export async function incrementalAlterConfigs(
  cluster: Cluster,
  resources: readonly ConfigResourceChange[],
  options: ChangeOptions,
): Promise<void> {
  await onEach(cluster, 'incrementalAlterConfigs', resources, options, async (broker, group) => {
    const answer = await broker.request(apis.incrementalAlterConfigs, {
      resources: group.map(({ type, name, changes }) => ({
        resourceType: RESOURCE_TYPES[type],
        resourceName: name,
        configs: changes.map((change) => ({
          name: change.name,
          configOperation: OPERATIONS[change.operation ?? 'set'],
          value: change.value === undefined ? null : String(change.value),
        })),
      })),
      validateOnly: options.validateOnly ?? false,
    })
    throwFirst(errorsOf(answer.responses, ({ resourceName }) => `change settings of '${resourceName}'`))
    return []
  })
}

export async function alterConfigs(
  cluster: Cluster,
  resource: ConfigResource,
  configs: Readonly<Record<string, string | number | boolean>>,
  options: ChangeOptions,
): Promise<void> {
  await onEach(cluster, 'alterConfigs', [resource], options, async (broker) => {
    const answer = await broker.request(apis.alterConfigs, {
      resources: [
        {
          resourceType: RESOURCE_TYPES[resource.type],
          resourceName: resource.name,
          configs: Object.entries(configs).map(([name, value]) => ({ name, value: String(value) })),
        },
      ],
      validateOnly: options.validateOnly ?? false,
    })
    throwFirst(errorsOf(answer.responses, ({ resourceName }) => `replace settings of '${resourceName}'`))
    return []
  })
}
