// What the command line of the clients' runs says.

import { parseArgs } from 'node:util'

export const USAGE = `usage: npm run test:clients -- [--all] [--only TEXT] [--bootstrap HOST:PORT [--data-dir DIR]] [--cluster millrace|kafka]
       npm run test:clients -- zookeeper [--connect HOST:PORT] [--only TEXT]

  Other people's clients against a server of this project, then Kafka's tools against three of its nodes. Clients that cannot be had here
  are skipped, and it is said why. The second form: other people's ZooKeeper suites against an embedded ensemble of one.

  --all        the long tier too
  --only       scenarios whose label contains the text
  --bootstrap  a server of Kafka's protocol that runs, in place of one of this project; three nodes are not started then
  --data-dir   its data directory, for scenarios that look into files
  --cluster    only the tools against three nodes: of this project (millrace) or of Apache Kafka (kafka)
  --connect    a server of ZooKeeper's protocol that runs, in place of an embedded ensemble
`

export interface Options {
  /** The ZooKeeper suites, and nothing else. */
  readonly zookeeper: boolean
  readonly connect: string | undefined
  readonly all: boolean
  readonly bootstrap: string | undefined
  readonly dataDir: string | undefined
  readonly only: string | undefined
  readonly cluster: 'millrace' | 'kafka' | undefined
}

/** Null: help was asked for. Throws at what it does not know. */
export function parseOptions(args: readonly string[]): Options | null {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', default: false },
      connect: { type: 'string' },
      all: { type: 'boolean', default: false },
      bootstrap: { type: 'string' },
      'data-dir': { type: 'string' },
      only: { type: 'string' },
      cluster: { type: 'string' },
    },
  })
  if (values.help) return null
  const unknown = positionals.find((word) => word !== 'zookeeper')
  if (unknown !== undefined) throw new Error(`'${unknown}': the one word there is is zookeeper`)
  const { cluster } = values
  if (cluster !== undefined && cluster !== 'millrace' && cluster !== 'kafka')
    throw new Error(`--cluster ${cluster}: there are millrace, kafka`)
  const { connect, all, bootstrap, only } = values
  return { zookeeper: positionals.length > 0, connect, all, bootstrap, dataDir: values['data-dir'], only, cluster }
}
