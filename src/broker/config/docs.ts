// Prints docs/configuration.md from the tables: node dist/src/broker/config/docs.js > docs/configuration.md
// A test holds the file current.

import { pathToFileURL } from 'node:url'
import type { SettingDefinition } from './definition.js'
import { CLUSTER_SETTINGS } from './settings/cluster.js'
import { GROUP_SETTINGS } from './settings/group.js'
import { LOG_SETTINGS } from './settings/log.js'
import { MILLRACE_SETTINGS } from './settings/millrace.js'
import { NODE_SETTINGS } from './settings/node.js'
import { REMOTE_SETTINGS } from './settings/remote.js'
import { REPLICATION_SETTINGS } from './settings/replication.js'
import * as resources from './settings/resources.js'
import { SECURITY_SETTINGS } from './settings/security.js'
import { rangeText } from './values.js'

const INTRO = `# Configuration

Generated from \`src/broker/config\`: \`node dist/src/broker/config/docs.js > docs/configuration.md\`.

Names, types, defaults, ranges and update modes are those of Apache Kafka 4.4, so a \`server.properties\` can be used as it is.
Settings of our own start with \`millrace.\`. An unknown name is refused with the nearest known one. A name that is known but
changes nothing yet (**acts: no** below) is accepted with a warning at the start.

## Where a value comes from

The strongest source that has a value wins; \`millrace configs describe\` shows it.

| strength | source | set by |
|---|---|---|
| 1 | dynamic topic (or group) setting | \`millrace configs alter --topic NAME --set key=value\`, \`millrace topics create --config\` |
| 2 | dynamic setting of one broker | \`millrace configs alter --broker ID --set key=value\` |
| 3 | dynamic default of all brokers | \`millrace configs alter --broker-defaults --set key=value\` |
| 4 | static | a flag of \`millrace serve\`, then \`--set key=value\`, then the file given to \`--config\` |
| 5 | built-in default | this page |

\`--config\` takes a \`.properties\` file (Java's syntax) or a \`.toml\` one (tables and dotted keys become dotted names, arrays
become lists). Broker settings marked *read-only* change with a restart only; *per-broker* and *cluster-wide* ones at run time.

Where this differs from Kafka: \`listeners\` is 127.0.0.1:9092, \`log.dir\` is ./data and \`node.id\` is 1 when left out.
\`process.roles\` is not needed. \`default.replication.factor\`, \`offsets.topic.replication.factor\` and their like are cut to the number of nodes.
`

type Synonyms = (name: string) => string

function table(settings: readonly SettingDefinition[], kind: 'broker' | 'resource', inherits?: Synonyms): string {
  const head =
    kind === 'broker'
      ? ['setting', 'type', 'default', 'range', 'update', 'acts', 'meaning']
      : ['setting', 'type', 'default', 'range', 'default from', 'acts', 'meaning']
  const rows = settings.filter((setting) => !setting.internal).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const lines = rows.map((setting) => {
    const middle = kind === 'broker' ? setting.mode : (inherits?.(setting.name) ?? '')
    const cells = [
      `\`${setting.name}\``,
      setting.type,
      initial(setting),
      rangeText(setting),
      middle,
      setting.status === 'acted-on' ? 'yes' : 'no',
      setting.doc,
    ]
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  })
  return [`| ${head.join(' | ')} |`, `|${'---|'.repeat(head.length)}`, ...lines].join('\n')
}

function initial({ default: value }: SettingDefinition): string {
  return value === null ? '' : value === '' ? '(empty)' : `\`${value}\``
}

function topicInherits(name: string): string {
  return (resources.TOPIC_SYNONYMS[name] ?? []).map(([synonym]) => `\`${synonym}\``).join(', ')
}

function groupInherits(name: string): string {
  const synonym = resources.GROUP_SYNONYMS[name]
  return synonym ? `\`${synonym}\`` : ''
}

export function configurationPage(): string {
  const sections: readonly (readonly [title: string, body: string])[] = [
    ['Settings of our own (broker)', table(MILLRACE_SETTINGS, 'broker')],
    ['Clusters: ensemble, links, ZooKeeper (broker)', table(CLUSTER_SETTINGS, 'broker')],
    ['Topic settings', table(resources.TOPIC_SETTINGS, 'resource', topicInherits)],
    ['Broker: the node, its listeners and limits', table(NODE_SETTINGS, 'broker')],
    ['Broker: logs', table(LOG_SETTINGS, 'broker')],
    ['Broker: groups', table(GROUP_SETTINGS, 'broker')],
    ['Broker: replication and transactions', table(REPLICATION_SETTINGS, 'broker')],
    ['Broker: security', table(SECURITY_SETTINGS, 'broker')],
    ['Broker: tiered storage and the controller quorum', table(REMOTE_SETTINGS, 'broker')],
    ['Group settings', table(resources.GROUP_SETTINGS, 'resource', groupInherits)],
    ['Client metrics settings', table(resources.CLIENT_METRICS_SETTINGS, 'resource')],
  ]
  return [INTRO, ...sections.map(([title, body]) => `## ${title}\n\n${body}\n`)].join('\n')
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.stdout.write(configurationPage())
