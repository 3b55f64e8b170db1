// Ten million records of 100 bytes through a server, all read back, and checked by the order of their keys and by content.
// Command: node dist/test/scenario/ten-million.js [--records N] [--partitions N] [--keys N] [--kill9] [--bootstrap HOST:PORT]
//
// Without --bootstrap it starts this project's server as a process. With --kill9 that process gets SIGKILL when half of the
// records are acknowledged, and is started again on the same port and directory while the idempotent producer goes on: no
// acknowledged record may be missing and none may be there twice. Not part of `npm test`. Ends with a line
// `N passed, N failed, N skipped` and exit code 1 when a check fails.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Admin } from '../../src/client/index.js'
import { startServer, type RunningServer } from '../wire/clients/server.js'
import { type KeyedRecords, produce, readBack, report, Sent, timed, VALUE_BYTES } from './keyed-records.js'

interface Options extends KeyedRecords {
  readonly kill9: boolean
  readonly bootstrap: string | undefined
}

function options(): Options {
  const { values } = parseArgs({
    options: {
      records: { type: 'string', default: '10000000' },
      partitions: { type: 'string', default: '12' },
      keys: { type: 'string', default: '100000' },
      kill9: { type: 'boolean', default: false },
      bootstrap: { type: 'string' },
    },
  })
  const number = (name: 'records' | 'partitions' | 'keys'): number => {
    const value = Number(values[name])
    if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} ${values[name]}: a whole number from 1 is needed`)
    return value
  }
  if (values.kill9 && values.bootstrap) throw new Error('--kill9 kills a server of its own: leave out --bootstrap')
  return {
    records: number('records'),
    partitions: number('partitions'),
    keys: number('keys'),
    kill9: values.kill9,
    bootstrap: values.bootstrap,
  }
}

async function createTopic(bootstrap: string, topic: string, partitions: number): Promise<void> {
  const admin = new Admin({ bootstrapServers: bootstrap })
  await admin.createTopics([{ name: topic, partitions, replicationFactor: 1 }])
  await admin.close()
}

async function deleteTopic(bootstrap: string, topic: string): Promise<void> {
  const admin = new Admin({ bootstrapServers: bootstrap })
  await admin.deleteTopics([topic])
  await admin.close()
}

/** SIGKILL when half is acknowledged, then the same again on the same port and directory. */
async function killHalfway(server: RunningServer, sent: Sent, records: number): Promise<RunningServer> {
  await sent.reaches(Math.floor(records / 2))
  await server.kill()
  const acknowledged = sent.acknowledged
  const began = performance.now()
  const next = await startServer({ dataDir: server.dataDir, listen: server.bootstrap })
  console.log(
    `kill -9 of ${server.pid} after ${acknowledged.toLocaleString('en-US')} acknowledged records; ready again after ${(performance.now() - began).toFixed(0)} ms`,
  )
  return next
}

async function main(): Promise<void> {
  const given = options()
  const dataDir = given.bootstrap ? null : mkdtempSync(join(tmpdir(), 'millrace-ten-million-'))
  let server = dataDir ? await startServer({ dataDir }) : null
  const bootstrap = given.bootstrap ?? server!.bootstrap
  const topic = `ten-million-${process.pid}-${Date.now().toString(36)}`
  console.log(
    `${given.records.toLocaleString('en-US')} records of ${VALUE_BYTES} bytes, ${given.keys} keys, ${given.partitions} partitions, at ${bootstrap}${given.kill9 ? ', with kill -9' : ''}`,
  )
  try {
    await createTopic(bootstrap, topic, given.partitions)
    const sent = new Sent()
    const killing = given.kill9 ? killHalfway(server!, sent, given.records).then((next) => void (server = next)) : Promise.resolve()
    await timed('produced', given.records, () => Promise.all([produce(bootstrap, topic, given, sent), killing]))
    const checker = await timed('read back', given.records, () => readBack(bootstrap, topic, given))
    const failed = report(given, sent, checker)
    console.log(`${6 - failed} passed, ${failed} failed, 0 skipped`)
    process.exitCode = failed > 0 ? 1 : 0
    // A server of one's own goes with its directory.
    if (given.bootstrap) await deleteTopic(bootstrap, topic)
  } finally {
    await server?.stop()
    if (dataDir) rmSync(dataDir, { recursive: true, force: true })
  }
}

await main()
