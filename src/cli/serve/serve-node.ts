// Runs one node in this process: start, the ready line, the stop by signal.

import type { Broker, BrokerOptions } from '../../broker/broker.js'
import type { Logger } from '../../env/env.js'
import { ExitCode } from '../errors.js'
import { formatAddress } from '../options.js'
import { printJson } from '../output.js'
import type { ServeFlags } from '../serve.js'
import { brokerOptions, flagSettings } from './node-options.js'
import { startError } from './start-error.js'

/** A node of a cluster that is not ready by then says what it waits for. */
const SAY_WHAT_IS_AWAITED_MS = 3000
/** A stop that is asked for during the start waits this long for the start to be through. */
const STOP_DURING_START_MS = 3000
/** Progress is told at most this often. */
const PROGRESS_EVERY_MS = 1000

export async function serveNode(flags: ServeFlags): Promise<number> {
  const startedAt = performance.now()
  // Together: files that are read at the same time are read sooner.
  const [{ loadStaticConfig }, { startBroker }, { createLogger }] = await Promise.all([
    import('../../broker/config/static-config.js'),
    import('../../broker/broker.js'),
    import('../../env/real.js'),
  ])
  const { properties, warnings } = loadStaticConfig({ file: flags.config, set: flags.set, flags: flagSettings(flags) })
  const options = brokerOptions(properties)
  const logger = createLogger(options.logLevel ?? 'info')
  for (const warning of warnings) logger.warn({}, warning)

  // Signals are watched before the start, so that an early one stops too.
  const stopped = watchSignals()
  const saysWhatIsAwaited = setInterval(() => sayWhatIsAwaited(options, startedAt), SAY_WHAT_IS_AWAITED_MS)
  const starting = startBroker({ ...options, logger, onProgress: progressLines() })
    .catch((error: unknown) => {
      throw startError(error, options)
    })
    .finally(() => clearInterval(saysWhatIsAwaited))
  const early = await Promise.race([starting.then(() => undefined), stopped])
  if (early !== undefined) await stopDuringStart(starting, early, logger)
  const broker = await starting
  if (early === undefined) printReady(broker, options, performance.now() - startedAt, flags.json === true)
  const signal = await stopped
  logger.info({ signal }, 'stopping; a second signal ends the process at once')
  await broker.close()
  return ExitCode.ok
}

/** Returns when the start is through after all. One that waits for other nodes may take for ever: then the process ends; nothing was served. */
async function stopDuringStart(starting: Promise<Broker>, signal: string, logger: Logger): Promise<void> {
  logger.info({ signal }, 'stopping during the start; a second signal ends the process at once')
  const patience = new Promise<'tired'>((resolve) => setTimeout(() => resolve('tired'), STOP_DURING_START_MS))
  if ((await Promise.race([starting, patience])) === 'tired') process.exit(ExitCode.ok)
}

/** A node that is alone waits for nobody. */
function sayWhatIsAwaited({ cluster }: Pick<BrokerOptions, 'cluster'>, startedAt: number): void {
  if (!cluster || (cluster.members.length < 2 && cluster.zookeeper === null)) return
  const seconds = Math.round((performance.now() - startedAt) / 1000)
  // Rarer as time goes by: after 3, 6, 12, 24 seconds, and then every minute and a half or so.
  const beat = Math.round((performance.now() - startedAt) / SAY_WHAT_IS_AWAITED_MS)
  if ((beat & (beat - 1)) !== 0 && beat % 32 !== 0) return
  const ensemble = cluster.zookeeper ?? cluster.members.map(({ id, host, port }) => `${id}@${formatAddress({ host, port })}`).join(',')
  const who = cluster.zookeeper === null ? `a majority of the ensemble ${ensemble}` : `the ZooKeeper ensemble ${ensemble}`
  process.stderr.write(
    `not ready after ${seconds} s: a node of a cluster waits for ${who} and for a controller; start the others, or check the addresses\n`,
  )
}

/** Of many partitions that are recovered at once one line a second is enough. */
function progressLines(): (text: string) => void {
  let toldAt = -Infinity
  return (text) => {
    const now = performance.now()
    if (now - toldAt < PROGRESS_EVERY_MS) return
    toldAt = now
    process.stderr.write(`${text}\n`)
  }
}

function printReady(broker: Broker, options: Pick<BrokerOptions, 'dataDirs'>, totalMs: number, json: boolean): void {
  const addresses = broker.addresses.map(formatAddress)
  const startMs = Math.round(broker.startMs)
  if (json) {
    printJson({
      ready: true,
      kafka: addresses,
      node: broker.nodeId,
      data: options.dataDirs,
      startMs,
      totalMs: Math.round(totalMs),
      pid: process.pid,
    })
    return
  }
  const first = broker.addresses[0]!
  const reach = formatAddress({ host: first.host === '0.0.0.0' || first.host === '::' ? '127.0.0.1' : first.host, port: first.port })
  const bootstrap = reach === '127.0.0.1:9092' ? '' : ` -b ${reach}`
  const command = process.env['npm_lifecycle_event'] ? 'npx millrace' : 'millrace'
  process.stdout.write(
    `millrace ready kafka=${addresses.join(',')} node=${broker.nodeId} data=${options.dataDirs.join(',')} in ${startMs} ms\n` +
      `  echo hello | ${command} produce greetings${bootstrap}\n` +
      `  ${command} consume greetings --from beginning${bootstrap}\n`,
  )
}

/** Resolves with the first SIGTERM or SIGINT; the second one ends the process. */
function watchSignals(): Promise<string> {
  return new Promise((resolve) => {
    let seen = false
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (seen) process.exit(ExitCode.interrupted)
        seen = true
        resolve(signal)
      })
    }
  })
}
