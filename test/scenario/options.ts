// What the command line of the ten million records says.

import { parseArgs } from 'node:util'
import { wholeNumber } from '../support/command-line.js'
import type { KeyedRecords } from './keyed-records.js'

export const USAGE = `usage: node dist/test/scenario/ten-million.js [--records N] [--partitions N] [--keys N] [--workers N] [--kill9] [--bootstrap HOST:PORT]

  Records of 100 bytes through a server, all read back, and checked by the order of their keys and by content. Without --bootstrap it starts
  this project's server as a process.

  --records     how many (10000000)
  --partitions  of the topic (12)
  --keys        among which the records are dealt out (100000)
  --workers     threads of the server that own partitions (the server's default)
  --kill9       SIGKILL when half of the records are acknowledged, then the server again while the producer goes on
  --bootstrap   a server that runs, in place of one of this project
`

export interface Options extends KeyedRecords {
  readonly kill9: boolean
  readonly bootstrap: string | undefined
  /** Undefined: the server decides. */
  readonly workers: number | undefined
}

/** Null: help was asked for. Throws at what it does not know. */
export function parseOptions(args: readonly string[]): Options | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', default: false },
      records: { type: 'string', default: '10000000' },
      partitions: { type: 'string', default: '12' },
      keys: { type: 'string', default: '100000' },
      workers: { type: 'string' },
      kill9: { type: 'boolean', default: false },
      bootstrap: { type: 'string' },
    },
  })
  if (values.help) return null
  const { bootstrap, kill9, workers } = values
  if (kill9 && bootstrap !== undefined) throw new Error('--kill9 kills a server of its own: leave out --bootstrap')
  if (workers !== undefined && bootstrap !== undefined) throw new Error('--workers is of a server of its own: leave out --bootstrap')
  return {
    records: wholeNumber('records', values.records),
    partitions: wholeNumber('partitions', values.partitions),
    keys: wholeNumber('keys', values.keys),
    workers: workers === undefined ? undefined : wholeNumber('workers', workers),
    kill9,
    bootstrap,
  }
}
