// The two servers of a comparison: started here, or running already. Ends only what it started. Apache Kafka is started by the script in
// bench/anchors, which belongs to the repository and not to the published package.

import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { CliError, notFound } from '../../errors.js'
import { memoryOf, Probe } from '../probe.js'
import { packageVersion, type ServerUnderTest } from '../result-file.js'
import { Target } from '../target.js'

const KAFKA_SCRIPT = fileURLToPath(new URL('../../../../../bench/anchors/kafka.mjs', import.meta.url))
const MAIN = fileURLToPath(new URL('../../main.js', import.meta.url))
const START_TIMEOUT_MS = 120_000
/** After a start, before idle memory is read. */
const SETTLE_MS = 2000

const run = promisify(execFile)

/** A server of a comparison with its connection and probe. */
export interface Contestant {
  readonly server: ServerUnderTest
  readonly target: Target
  readonly probe: Probe
  stop(): Promise<void>
}

export async function attach(name: string | undefined, bootstrap: string, pids: readonly number[]): Promise<Contestant> {
  const probe = new Probe(pids)
  const missing = probe.missing()
  if (missing.length > 0) throw notFound(`no process ${missing.join(', ')}`)
  const target = await Target.open(bootstrap)
  const server = {
    ...target.info,
    name: name ?? target.info.kind,
    bootstrap,
    pids,
    startSeconds: null,
    idleMemoryBytes: null,
    version: null,
  }
  return { server, target, probe, stop: () => Promise.resolve(target.close()) }
}

export async function startMillrace(dataDir: string, workers: string | undefined): Promise<Contestant> {
  const args = [
    'serve',
    '--listen',
    '127.0.0.1:0',
    '--data-dir',
    dataDir,
    '--log-level',
    'warn',
    ...(workers === undefined ? [] : ['--workers', workers]),
  ]
  const began = performance.now()
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const stop = (): Promise<void> => end(child)
  try {
    const bootstrap = await readyLine(child)
    const target = await Target.open(bootstrap)
    const startSeconds = (performance.now() - began) / 1000
    return await settled('Millrace', packageVersion(), bootstrap, child.pid!, startSeconds, target, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

export async function startKafka(dataDir: string): Promise<Contestant> {
  if (!existsSync(KAFKA_SCRIPT)) {
    throw new CliError(
      'the scripts that start Apache Kafka are not part of the installed package',
      undefined,
      'run this in a clone of the repository, or start a server yourself and add --against HOST:PORT --against-pid PID',
    )
  }
  const port = await freePortPair()
  const stop = async (): Promise<void> => {
    await run(process.execPath, [KAFKA_SCRIPT, 'stop', '--data', dataDir, '--wipe'])
  }
  process.stderr.write('starting Apache Kafka (the first time its jars are fetched from Maven Central)\n')
  let line: string
  try {
    line = (await run(process.execPath, [KAFKA_SCRIPT, 'start', '--port', String(port), '--data', dataDir])).stdout
  } catch (error) {
    await stop().catch(() => undefined)
    const { stderr } = error as { stderr?: string }
    throw new CliError(
      `Apache Kafka did not start: ${stderr?.trim() || (error as Error).message}`,
      undefined,
      'it needs Java 17 or newer, and Maven the first time',
    )
  }
  try {
    const { pid, bootstrap, version, startMs } = JSON.parse(line) as { pid: number; bootstrap: string; version: string; startMs: number }
    return await settled('Kafka', version, bootstrap, pid, startMs / 1000, await Target.open(bootstrap), stop)
  } catch (error) {
    await stop()
    throw error
  }
}

async function settled(
  name: string,
  version: string,
  bootstrap: string,
  pid: number,
  startSeconds: number,
  target: Target,
  stopProcess: () => Promise<void>,
): Promise<Contestant> {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
  const server = { ...target.info, name, version, bootstrap, pids: [pid], startSeconds, idleMemoryBytes: memoryOf(pid, 'VmRSS') || null }
  const stop = async (): Promise<void> => {
    target.close()
    await stopProcess()
  }
  return { server, target, probe: new Probe([pid]), stop }
}

function readyLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let out = ''
    let errors = ''
    const fail = (text: string): void => reject(new CliError(`Millrace did not start: ${text}`))
    const timer = setTimeout(() => fail(`it was not ready within ${START_TIMEOUT_MS / 1000} s`), START_TIMEOUT_MS)
    child.stderr!.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-4000)))
    child.stdout!.on('data', (chunk: Buffer) => {
      out = (out + chunk.toString()).slice(-4000)
      const bootstrap = /millrace ready kafka=(\S+)/.exec(out)?.[1]
      if (bootstrap === undefined) return
      clearTimeout(timer)
      resolve(bootstrap)
    })
    child.on('error', (error) => fail(error.message))
    child.on('exit', (code) => {
      clearTimeout(timer)
      fail(`it ended with ${code}\n${errors}`)
    })
  })
}

function end(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve()
      return
    }
    const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
    child.once('exit', () => {
      clearTimeout(timer)
      resolve()
    })
    child.kill('SIGTERM')
  })
}

/** Kafka's script puts the controller on the next port. */
async function freePortPair(): Promise<number> {
  for (let tries = 0; tries < 50; tries++) {
    const port = await listenOnce(0)
    if (port !== undefined && port < 65_535 && (await listenOnce(port + 1)) !== undefined) return port
  }
  throw new CliError('no two neighbouring ports are free on 127.0.0.1')
}

function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen(port, '127.0.0.1', () => {
      const bound = (server.address() as { port: number }).port
      server.close(() => resolve(bound))
    })
  })
}

export function dataDirOf(base: string, name: string): string {
  return join(base, name)
}
