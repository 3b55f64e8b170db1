#!/usr/bin/env node
// Apache Kafka as a reference to measure against: one node, or the commands of several. Needs Java 17 or newer, and Maven for the first run.
//
//   node bench/anchors/kafka.mjs fetch                              jars from Maven Central into bench/anchors/kafka
//   node bench/anchors/kafka.mjs start --port 19092 --data DIR      formats DIR, starts a node, waits until it answers
//                                [--keep] [--heap 1G] [--set key=value]...
//   node bench/anchors/kafka.mjs stop --data DIR [--wipe]           ends the node that was started with this DIR
//   node bench/anchors/kafka.mjs plan --data DIR --node ID@HOST:PORT:CONTROLLER_PORT... [--heap 1G] [--set key=value]...
//                                formats DIR/node-ID of a cluster of such nodes and prints how each is started, as JSON
//
// start prints one JSON line: {"pid":…,"bootstrap":"127.0.0.1:19092","version":"4.4.0","dataDir":…,"formatMs":…,"startMs":…}.
// Settings are those of Kafka's shipped config/server.properties; heap and collector those of its start script. The
// controller listens on port + 1. Every node is broker and controller. DIR holds everything: the logs of topics in DIR/logs, node.pid, server.properties, server.out.
// Ends only the process whose pid it wrote itself. Never imported by src: the command line spawns it.

import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { fail, HERE, maven, needJava, needMaven } from './java.mjs'

const JARS = join(HERE, 'kafka')
const VERSION = '4.4.0'
const READY_LIMIT_MS = 90_000
const STOP_LIMIT_MS = 40_000

const USAGE =
  'usage: kafka.mjs fetch | start --port PORT --data DIR [--keep] [--heap 1G] [--set key=value]... | stop --data DIR [--wipe] | ' +
  'plan --data DIR --node ID@HOST:PORT:CONTROLLER_PORT... [--heap 1G] [--set key=value]...'

function fetchJars() {
  if (existsSync(join(JARS, `kafka-server-${VERSION}.jar`))) return
  needMaven()
  console.error(`fetching Apache Kafka ${VERSION} from Maven Central (about 60 MB)`)
  rmSync(JARS, { recursive: true, force: true })
  maven('Kafka', 'kafka.pom.xml', JARS, 'dependency:copy-dependencies', '-DincludeScope=runtime')
}

/** Kafka's ids are 16 bytes in URL-safe base64; one that begins with a dash would be read as a flag. */
function randomUuid() {
  const id = randomBytes(16).toString('base64url')
  return id.startsWith('-') ? randomUuid() : id
}

/** config/server.properties as shipped with 4.4, but for addresses and directories. */
function properties(node, nodes, logDir, extra) {
  const addresses = `PLAINTEXT://${node.host}:${node.port},CONTROLLER://${node.host}:${node.controllerPort}`
  const replicas = String(Math.min(3, nodes.length))
  const minInSync = nodes.length < 3 ? '1' : '2'
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': node.id,
    'controller.quorum.bootstrap.servers': nodes.map(({ host, controllerPort }) => `${host}:${controllerPort}`).join(','),
    listeners: addresses,
    'advertised.listeners': addresses,
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
    'offsets.topic.replication.factor': replicas,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': minInSync,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': minInSync,
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

function format(data, config, quorum, clusterId = randomUuid()) {
  if (readdirSync(data).includes('logs') && existsSync(join(data, 'logs/meta.properties'))) return 0
  const began = performance.now()
  const args = [...java('256m', data), 'kafka.tools.StorageTool', 'format', ...quorum, '-t', clusterId, '-c', config]
  const { status, stdout, stderr } = spawnSync('java', args, { encoding: 'utf8' })
  if (status !== 0) fail(`formatting ${data} failed:\n${stdout}${stderr}`)
  return performance.now() - began
}

function settingsOf(options) {
  return Object.fromEntries((options.set ?? []).map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]))
}

async function start(options) {
  const port = Number(options.port)
  if (!Number.isInteger(port) || !options.data) fail(USAGE)
  needJava()
  fetchJars()
  const data = resolve(options.data)
  if (!options.keep) rmSync(join(data, 'logs'), { recursive: true, force: true })
  mkdirSync(data, { recursive: true })
  if (await answers(port)) fail(`port ${port} is taken: something already answers there`)
  const config = join(data, 'server.properties')
  const self = { id: '1', host: '127.0.0.1', port, controllerPort: port + 1 }
  writeFileSync(config, properties(self, [self], join(data, 'logs'), settingsOf(options)))
  const formatMs = format(data, config, ['--standalone'])
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

/** Nothing is started: who asked does it, and ends it. */
function plan(options) {
  const nodes = (options.node ?? []).map((text) => {
    const parts = /^(\d+)@(.+):(\d+):(\d+)$/.exec(text)
    if (!parts) fail(USAGE)
    return { id: parts[1], host: parts[2], port: parts[3], controllerPort: parts[4] }
  })
  if (!options.data || nodes.length === 0) fail(USAGE)
  needJava()
  fetchJars()
  const clusterId = randomUuid()
  const quorum = nodes.map(({ id, host, controllerPort }) => `${id}@${host}:${controllerPort}:${randomUuid()}`).join(',')
  const planned = nodes.map((node) => {
    const data = join(resolve(options.data), `node-${node.id}`)
    mkdirSync(data, { recursive: true })
    const config = join(data, 'server.properties')
    const logDir = join(data, 'logs')
    writeFileSync(config, properties(node, nodes, logDir, settingsOf(options)))
    format(data, config, ['--initial-controllers', quorum], clusterId)
    const crash = `-XX:ErrorFile=${join(data, 'crash.txt')}`
    return { id: Number(node.id), logDir, command: ['java', crash, ...java(options.heap ?? '1G', data), 'kafka.Kafka', config] }
  })
  console.log(JSON.stringify({ version: VERSION, nodes: planned }))
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: 'string' },
    node: { type: 'string', multiple: true },
    data: { type: 'string' },
    heap: { type: 'string' },
    set: { type: 'string', multiple: true },
    keep: { type: 'boolean' },
    wipe: { type: 'boolean' },
  },
})
const commands = { fetch: async () => fetchJars(), start: () => start(values), stop: () => stop(values), plan: async () => plan(values) }
const command = commands[positionals[0]]
if (!command) fail(USAGE)
await command()
