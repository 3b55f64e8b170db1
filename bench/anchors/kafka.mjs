#!/usr/bin/env node
// One node of Apache Kafka as a reference to measure against. Needs Java 17 or newer, and Maven for the first run.
//
//   node bench/anchors/kafka.mjs fetch                              jars from Maven Central into bench/anchors/kafka
//   node bench/anchors/kafka.mjs start --port 19092 --data DIR      formats DIR, starts a node, waits until it answers
//                                [--keep] [--heap 1G] [--set key=value]...
//   node bench/anchors/kafka.mjs stop --data DIR [--wipe]           ends the node that was started with this DIR
//
// start prints one JSON line: {"pid":…,"bootstrap":"127.0.0.1:19092","version":"4.4.0","dataDir":…,"formatMs":…,"startMs":…}.
// Settings are those of Kafka's shipped config/server.properties; heap and collector those of its start script. The
// controller listens on port + 1. DIR holds everything: the logs of topics in DIR/logs, node.pid, server.properties, server.out.
// Ends only the process whose pid it wrote itself. Never imported by src: the command line spawns it.

import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const HERE = dirname(fileURLToPath(import.meta.url))
const JARS = join(HERE, 'kafka')
const VERSION = '4.4.0'
const READY_LIMIT_MS = 90_000
const STOP_LIMIT_MS = 40_000

const USAGE = 'usage: kafka.mjs fetch | start --port PORT --data DIR [--keep] [--heap 1G] [--set key=value]... | stop --data DIR [--wipe]'

function fail(text) {
  console.error(text)
  process.exit(1)
}

function need(command, flag, hint) {
  if (spawnSync(command, [flag], { stdio: 'ignore' }).error) fail(`${command} is not installed: ${hint}`)
}

function fetchJars() {
  if (existsSync(join(JARS, `kafka-server-${VERSION}.jar`))) return
  need('mvn', '-v', 'apt-get install maven')
  console.error(`fetching Apache Kafka ${VERSION} from Maven Central (about 60 MB)`)
  rmSync(JARS, { recursive: true, force: true })
  const args = [
    '-q',
    '-B',
    '-f',
    join(HERE, 'kafka.pom.xml'),
    'dependency:copy-dependencies',
    `-DoutputDirectory=${JARS}`,
    '-DincludeScope=runtime',
  ]
  const { status } = spawnSync('mvn', args, { stdio: ['ignore', process.stderr.fd, 'inherit'] })
  if (status !== 0) fail(`Maven ended with ${status}: Kafka's jars did not come`)
}

/** Kafka's ids are 16 bytes in URL-safe base64; one that begins with a dash would be read as a flag. */
function randomUuid() {
  const id = randomBytes(16).toString('base64url')
  return id.startsWith('-') ? randomUuid() : id
}

/** config/server.properties as shipped with 4.4, but for addresses and directories. */
function properties(port, logDir, extra) {
  const controller = port + 1
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.bootstrap.servers': `127.0.0.1:${controller}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
    'inter.broker.listener.name': 'PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'num.network.threads': '3',
    'num.io.threads': '8',
    'socket.send.buffer.bytes': '102400',
    'socket.receive.buffer.bytes': '102400',
    'socket.request.max.bytes': '104857600',
    'log.dirs': logDir,
    'num.partitions': '1',
    'num.recovery.threads.per.data.dir': '2',
    'offsets.topic.replication.factor': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'log.retention.hours': '168',
    'log.segment.bytes': '1073741824',
    'log.retention.check.interval.ms': '300000',
    ...extra,
  }
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}

function java(heap, data) {
  const collector = ['-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20', '-XX:InitiatingHeapOccupancyPercent=35', '-XX:+ExplicitGCInvokesConcurrent']
  const logging = [`-Dlog4j2.configurationFile=${join(HERE, 'log4j2.yaml')}`, `-Dkafka.logs.dir=${data}`]
  return [`-Xmx${heap}`, `-Xms${heap}`, '-server', ...collector, '-Djava.awt.headless=true', ...logging, '-cp', join(JARS, '*')]
}

function alive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Resolves true when the node answers ApiVersions, version 0. */
function answers(port) {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1')
    const end = (result) => {
      socket.destroy()
      done(result)
    }
    socket.setTimeout(1000, () => end(false))
    socket.once('error', () => end(false))
    socket.once('connect', () => socket.write(Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 255, 255])))
    socket.once('data', () => end(true))
  })
}

async function waitFor(limitMs, condition) {
  const deadline = performance.now() + limitMs
  while (performance.now() < deadline) {
    if (await condition()) return true
    await new Promise((next) => setTimeout(next, 20))
  }
  return false
}

function format(data, config) {
  if (readdirSync(data).includes('logs') && existsSync(join(data, 'logs/meta.properties'))) return 0
  const began = performance.now()
  const args = [...java('256m', data), 'kafka.tools.StorageTool', 'format', '--standalone', '-t', randomUuid(), '-c', config]
  const { status, stdout, stderr } = spawnSync('java', args, { encoding: 'utf8' })
  if (status !== 0) fail(`formatting ${data} failed:\n${stdout}${stderr}`)
  return performance.now() - began
}

async function start(options) {
  const port = Number(options.port)
  if (!Number.isInteger(port) || !options.data) fail(USAGE)
  need('java', '-version', 'apt-get install openjdk-17-jre-headless')
  fetchJars()
  const data = resolve(options.data)
  if (!options.keep) rmSync(join(data, 'logs'), { recursive: true, force: true })
  mkdirSync(data, { recursive: true })
  if (await answers(port)) fail(`port ${port} is taken: something already answers there`)
  const extra = Object.fromEntries((options.set ?? []).map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]))
  const config = join(data, 'server.properties')
  writeFileSync(config, properties(port, join(data, 'logs'), extra))
  const formatMs = format(data, config)
  const began = performance.now()
  const out = openSync(join(data, 'server.out'), 'w')
  const node = spawn('java', [...java(options.heap ?? '1G', data), 'kafka.Kafka', config], { detached: true, stdio: ['ignore', out, out] })
  writeFileSync(join(data, 'node.pid'), String(node.pid))
  if (!(await waitFor(READY_LIMIT_MS, async () => node.exitCode !== null || (await answers(port)))) || node.exitCode !== null) {
    if (node.exitCode === null) node.kill('SIGKILL')
    fail(`Kafka did not start:\n${readFileSync(join(data, 'server.out'), 'utf8').slice(-3000)}`)
  }
  const startMs = Math.round(performance.now() - began)
  console.log(
    JSON.stringify({
      pid: node.pid,
      bootstrap: `127.0.0.1:${port}`,
      version: VERSION,
      dataDir: join(data, 'logs'),
      formatMs: Math.round(formatMs),
      startMs,
    }),
  )
  node.unref()
}

async function stop(options) {
  if (!options.data) fail(USAGE)
  const data = resolve(options.data)
  const file = join(data, 'node.pid')
  const pid = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0
  // A pid may have been given to another process since: only a node that runs from this directory is ended.
  if (
    pid > 0 &&
    alive(pid) &&
    spawnSync('ps', ['-ww', '-o', 'args=', '-p', String(pid)], { encoding: 'utf8' }).stdout.includes(join(data, 'server.properties'))
  ) {
    process.kill(pid, 'SIGTERM')
    if (!(await waitFor(STOP_LIMIT_MS, () => !alive(pid)))) process.kill(pid, 'SIGKILL')
  }
  rmSync(file, { force: true })
  if (options.wipe) rmSync(data, { recursive: true, force: true })
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: 'string' },
    data: { type: 'string' },
    heap: { type: 'string' },
    set: { type: 'string', multiple: true },
    keep: { type: 'boolean' },
    wipe: { type: 'boolean' },
  },
})
const commands = { fetch: async () => fetchJars(), start: () => start(values), stop: () => stop(values) }
const command = commands[positionals[0]]
if (!command) fail(USAGE)
await command()
