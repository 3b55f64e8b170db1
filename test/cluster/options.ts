// What the command line of the rounds says.

import { parseArgs } from 'node:util'
import { wholeNumber } from '../support/command-line.js'
import { type Fault, FAULTS } from './faults.js'
import { FOREIGN_CLIENTS } from './support/foreign-client.js'

export const CLIENTS = ['millrace', ...Object.keys(FOREIGN_CLIENTS)]

/** Not rounds of a fault, and long: what each is says its file. */
export const SCENARIOS = ['ten-million', 'full-rate']

export const USAGE = `usage: npm run test:cluster -- [--rounds 20] [--faults A,B] [--against kafka] [--client C,D] [--nodes 3] [--session-ms 3000]
    [--zookeeper start|HOST:PORT] [--from MAIN_JS] [--log-level LEVEL] [--keep]

  Rounds of faults on a cluster of real processes under load: RF 3, min ISR 2, 6 partitions, 600 records a second with acks=all and
  idempotence, and a consumer of a group that watches. Afterwards everything is read and compared. A line for every round, a table in the end.

  --faults      ${FAULTS.map(({ name }) => name).join(', ')};
                and only when named: ${SCENARIOS.join(', ')}
  --against     the same rounds beside as many nodes of Apache Kafka (KRaft; jars from Maven Central), in the same table
  --client      who writes and watches: ${CLIENTS.join(', ')}; rows for each. Others' clients run with their own defaults
  --session-ms  session timeout of nodes: broker.session.timeout.ms of both systems
  --zookeeper   Apache ZooKeeper in place of the embedded ensemble: one that runs, or three servers of its own (start)
  --from        dist/src/cli/main.js of another build, which the nodes are started with; rolling-restart then is a rolling upgrade
  --records     of ten-million, which kills a leader and a controller and cuts a node off while they are produced (10000000)
  --duration    of full-rate, seconds (600): ingest as fast as it goes, in which no session ends and nobody is elected
  --workers     of each node (1)
  --keep        leaves the data and the logs of the nodes where they are, also when all is well
`

export type System = 'millrace' | 'kafka'

export interface Options {
  readonly rounds: number
  readonly nodes: number
  readonly faults: readonly Fault[]
  readonly scenarios: readonly string[]
  readonly systems: readonly System[]
  readonly clients: readonly string[]
  readonly zookeeper: string | undefined
  readonly sessionMs: number
  readonly logLevel: string
  /** Of each node. */
  readonly workers: number
  /** Of ten-million. */
  readonly records: number
  /** Of full-rate, seconds. */
  readonly duration: number
  readonly keep: boolean
  readonly from: string | undefined
}

/** Null: help was asked for. */
export function parseOptions(args: readonly string[]): Options | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '20' },
      nodes: { type: 'string', default: '3' },
      faults: { type: 'string' },
      against: { type: 'string' },
      client: { type: 'string', default: 'millrace' },
      zookeeper: { type: 'string' },
      'session-ms': { type: 'string', default: '3000' },
      workers: { type: 'string', default: '1' },
      duration: { type: 'string', default: '600' },
      records: { type: 'string', default: '10000000' },
      'log-level': { type: 'string', default: 'warn' },
      keep: { type: 'boolean', default: false },
      from: { type: 'string' },
    },
  })
  if (values.help) return null
  if (values.against !== undefined && values.against !== 'kafka') throw new Error(`--against ${values.against}: there is kafka`)
  const wanted = chosen('faults', values.faults, [...FAULTS.map(({ name }) => name), ...SCENARIOS])
  return {
    rounds: wholeNumber('rounds', values.rounds),
    nodes: wholeNumber('nodes', values.nodes),
    faults: FAULTS.filter(({ name }) => wanted.includes(name)),
    scenarios: SCENARIOS.filter((name) => values.faults !== undefined && wanted.includes(name)),
    duration: wholeNumber('duration', values.duration),
    clients: chosen('client', values.client, CLIENTS),
    systems: values.against === undefined ? ['millrace'] : ['millrace', 'kafka'],
    zookeeper: values.zookeeper,
    sessionMs: wholeNumber('session-ms', values['session-ms']),
    logLevel: values['log-level'],
    workers: wholeNumber('workers', values.workers),
    records: wholeNumber('records', values.records),
    keep: values.keep,
    from: values.from,
  }
}

/** Names of a list; all of them when nothing is said. */
function chosen(name: string, text: string | undefined, known: readonly string[]): readonly string[] {
  const wanted = text?.split(',') ?? known
  const unknown = wanted.find((each) => !known.includes(each))
  if (unknown !== undefined) throw new Error(`--${name} ${unknown}: there are ${known.join(', ')}`)
  return wanted
}
