// `millrace configs`: describe and alter the settings of topics, brokers and groups.

import type { Command } from 'commander'
import type { ConfigChange, ConfigKind } from './client.js'
import { usageError } from './errors.js'
import { collect, parsePair, withClientFlags } from './options.js'
import type { ClientFlags } from './options.js'
import { printJson, printTable } from './output.js'
import { run } from './run.js'

interface ResourceFlags extends ClientFlags {
  readonly topic?: string
  readonly broker?: string
  readonly brokerDefaults?: boolean
  readonly group?: string
}

/** Where a value comes from, in the words of docs/configuration.md. */
const SOURCES: Readonly<Record<string, string>> = {
  dynamicBroker: 'broker',
  dynamicDefaultBroker: 'broker default',
  staticBroker: 'static',
  dynamicBrokerLogger: 'logger',
  clientMetrics: 'client metrics',
}

function withResource(command: Command): Command {
  return withClientFlags(command)
    .option('-t, --topic <name>', 'settings of a topic')
    .option('--broker <id>', 'settings of one broker')
    .option('--broker-defaults', 'dynamic settings for all brokers')
    .option('-g, --group <id>', 'settings of a group')
}

export function registerConfigs(program: Command): void {
  const configs = program.command('configs').description('describe and alter the settings of topics, brokers and groups')
  withResource(configs.command('describe').description('what is set (--all: also defaults), and where each value comes from'))
    .option('-a, --all', 'also the settings that have their default')
    .option('--name <name>', 'only this setting; repeatable', collect)
    .action(run(describe))
  withResource(configs.command('alter').description('change settings at run time'))
    .option('-s, --set <name=value>', 'repeatable', collect)
    .option('--unset <name>', 'back to the default; repeatable', collect)
    .option('--append <name=value>', 'add to a list; repeatable', collect)
    .option('--subtract <name=value>', 'take from a list; repeatable', collect)
    .option('--validate-only', 'check, and change nothing')
    .action(run(alter))
}

function resourceOf(flags: ResourceFlags): { kind: ConfigKind; name: string; label: string } {
  const given: { kind: ConfigKind; name: string; label: string }[] = []
  if (flags.topic !== undefined) given.push({ kind: 'topic', name: flags.topic, label: `topic ${flags.topic}` })
  if (flags.broker !== undefined) given.push({ kind: 'broker', name: flags.broker, label: `broker ${flags.broker}` })
  if (flags.brokerDefaults) given.push({ kind: 'broker', name: '', label: 'the default of all brokers' })
  if (flags.group !== undefined) given.push({ kind: 'group', name: flags.group, label: `group ${flags.group}` })
  if (given.length !== 1)
    throw usageError(
      given.length === 0 ? 'nothing named whose settings are meant' : 'more than one thing named',
      'give one of --topic NAME, --broker ID, --broker-defaults, --group ID',
    )
  return given[0]!
}

async function describe(flags: ResourceFlags & { all?: boolean; name?: string[] }): Promise<void> {
  const { kind, name } = resourceOf(flags)
  const { withAdmin } = await import('./client.js')
  const entries = await withAdmin(flags, (admin) => admin.describeConfigs(kind, name))
  const isWanted = (setting: string, source: string): boolean =>
    flags.name ? flags.name.includes(setting) : flags.all === true || source !== 'default'
  const shown = entries.filter((entry) => isWanted(entry.name, entry.source)).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const unknown = flags.name?.filter((wanted) => !entries.some((entry) => entry.name === wanted)) ?? []
  if (unknown.length > 0) throw usageError(`no setting ${unknown.join(', ')} for this resource`, 'configs describe --all lists the names')
  if (flags.json) return printJson(shown.map((entry) => ({ ...entry, source: SOURCES[entry.source] ?? entry.source })))
  if (shown.length === 0) process.stdout.write('nothing is set; --all shows the defaults\n')
  else
    await printTable(
      ['setting', 'value', 'from', 'changeable'],
      shown.map((entry) => [
        entry.name,
        entry.sensitive ? '(hidden)' : entry.value,
        SOURCES[entry.source] ?? entry.source,
        entry.readOnly ? 'no' : 'yes',
      ]),
    )
}

interface AlterFlags extends ResourceFlags {
  readonly set?: string[]
  readonly unset?: string[]
  readonly append?: string[]
  readonly subtract?: string[]
  readonly validateOnly?: boolean
}

async function alter(flags: AlterFlags): Promise<void> {
  const { kind, name, label } = resourceOf(flags)
  const pairs = (operation: 'set' | 'append' | 'subtract'): ConfigChange[] =>
    (flags[operation] ?? []).map((text) => parsePair(text, `--${operation}`)).map(([key, value]) => ({ name: key, operation, value }))
  const changes: ConfigChange[] = [
    ...pairs('set'),
    ...pairs('append'),
    ...pairs('subtract'),
    ...(flags.unset ?? []).map((key) => ({ name: key, operation: 'delete' as const, value: null })),
  ]
  if (changes.length === 0)
    throw usageError('nothing to change', 'give --set NAME=VALUE, --unset NAME, --append NAME=VALUE or --subtract NAME=VALUE')
  const { withAdmin } = await import('./client.js')
  await withAdmin(flags, (admin) => admin.alterConfigs(kind, name, changes, flags.validateOnly === true))
  if (flags.json) printJson({ resource: { kind, name }, changes, applied: flags.validateOnly !== true })
  else
    process.stdout.write(`${flags.validateOnly ? 'would alter' : 'altered'} ${label}: ${changes.map((change) => change.name).join(', ')}\n`)
}
