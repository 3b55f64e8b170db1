// Ten million records of 100 bytes through a server, all read back, and checked by the order of their keys and by content.
// Command: node dist/test/scenario/ten-million.js; --help says with what.
//
// Without --bootstrap it starts this project's server as a process. With --kill9 that process gets SIGKILL when half of the
// records are acknowledged, and is started again on the same port and directory while the idempotent producer goes on: no
// acknowledged record may be missing and none may be there twice. Not part of `npm test`. Ends with a line
// `N passed, N failed, N skipped` and exit code 1 when a check fails.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Admin } from '../../src/client/index.js'
import { commandLine } from '../support/command-line.js'
import { startServer, type RunningServer } from '../wire/clients/server.js'
import { produce, readBack, report, Sent, timed, VALUE_BYTES } from './keyed-records.js'
import { type Options, parseOptions, USAGE } from './options.js'

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

function serverArgs({ workers }: Options): string[] {
  return workers === undefined ? [] : ['--workers', String(workers)]
}

/** SIGKILL when half is acknowledged, then the same again on the same port and directory. */
async function killHalfway(server: RunningServer, sent: Sent, given: Options): Promise<RunningServer> {
  await sent.reaches(Math.floor(given.records / 2))
  await server.kill()
  const acknowledged = sent.acknowledged
  const began = performance.now()
  const next = await startServer({ dataDir: server.dataDir, listen: server.bootstrap, args: serverArgs(given) })
  console.log(
    `kill -9 of ${server.pid} after ${acknowledged.toLocaleString('en-US')} acknowledged records; ready again after ${(performance.now() - began).toFixed(0)} ms`,
  )
  return next
}

async function main(given: Options): Promise<void> {
  const dataDir = given.bootstrap ? null : mkdtempSync(join(tmpdir(), 'millrace-ten-million-'))
  let server = dataDir ? await startServer({ dataDir, args: serverArgs(given) }) : null
  const bootstrap = given.bootstrap ?? server!.bootstrap
  const topic = `ten-million-${process.pid}-${Date.now().toString(36)}`
  console.log(
    `${given.records.toLocaleString('en-US')} records of ${VALUE_BYTES} bytes, ${given.keys} keys, ${given.partitions} partitions, at ${bootstrap}${given.kill9 ? ', with kill -9' : ''}`,
  )
  try {
    await createTopic(bootstrap, topic, given.partitions)
    const sent = new Sent()
    const killing = given.kill9 ? killHalfway(server!, sent, given).then((next) => void (server = next)) : Promise.resolve()
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

await main(commandLine(parseOptions, USAGE))
