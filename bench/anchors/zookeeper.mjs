#!/usr/bin/env node
// Apache ZooKeeper as a reference, and to run on: the commands of one server or several. Needs Java 17 or newer, and Maven for the first run.
//
//   node bench/anchors/zookeeper.mjs fetch             jars from Maven Central into bench/anchors/zookeeper
//   node bench/anchors/zookeeper.mjs plan --data DIR --server ID@HOST:PORT:PEER_PORT:ELECTION_PORT... [--tick 500] [--heap 256m]
//                                                      makes DIR/server-ID and prints how each server is started, as JSON
//
// Starts nothing: who asked does it, and ends it. fsync is on, all four-letter words are answered, sessions may be 1 to 60 s.

import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { fail, HERE, maven, needJava, needMaven } from './java.mjs'

const JARS = join(HERE, 'zookeeper')
const VERSION = '3.9.6'
const OTHERS_OF = '3.9.5'
const USAGE = 'usage: zookeeper.mjs fetch | plan --data DIR --server ID@HOST:PORT:PEER_PORT:ELECTION_PORT... [--tick 500] [--heap 256m]'

function fetchJars() {
  if (existsSync(join(JARS, 'complete'))) return
  needMaven()
  console.error(`fetching Apache ZooKeeper ${VERSION} from Maven Central (about 15 MB)`)
  rmSync(JARS, { recursive: true, force: true })
  const get = (...args) => maven('ZooKeeper', 'zookeeper.pom.xml', JARS, ...args)
  get('dependency:copy-dependencies', '-DincludeScope=runtime')
  for (const name of ['zookeeper', 'zookeeper-jute']) {
    rmSync(join(JARS, `${name}-${OTHERS_OF}.jar`), { force: true })
    get('dependency:copy', `-Dartifact=org.apache.zookeeper:${name}:${VERSION}:jar`)
  }
  writeFileSync(join(JARS, 'complete'), '')
}

function settings(server, servers, data, tick) {
  const common = [
    `tickTime=${tick}`,
    'initLimit=20',
    'syncLimit=10',
    `dataDir=${data}`,
    'maxClientCnxns=0',
    'minSessionTimeout=1000',
    'maxSessionTimeout=60000',
    'admin.enableServer=false',
    '4lw.commands.whitelist=*',
    'extendedTypesEnabled=true',
  ]
  const alone = [`clientPort=${server.port}`, `clientPortAddress=${server.host}`]
  const many = servers.map(({ id, host, port, peer, election }) => `server.${id}=${host}:${peer}:${election}:participant;${host}:${port}`)
  return `${[...common, ...(servers.length === 1 ? alone : ['standaloneEnabled=false', 'reconfigEnabled=true', ...many])].join('\n')}\n`
}

function plan(options) {
  const servers = (options.server ?? []).map((text) => {
    const parts = /^(\d+)@(.+):(\d+):(\d+):(\d+)$/.exec(text)
    if (!parts) fail(USAGE)
    return { id: parts[1], host: parts[2], port: parts[3], peer: parts[4], election: parts[5] }
  })
  if (!options.data || servers.length === 0) fail(USAGE)
  needJava()
  fetchJars()
  const planned = servers.map((server) => {
    const home = join(resolve(options.data), `server-${server.id}`)
    const data = join(home, 'data')
    mkdirSync(data, { recursive: true })
    writeFileSync(join(data, 'myid'), server.id)
    const config = join(home, 'zoo.cfg')
    writeFileSync(config, settings(server, servers, data, options.tick ?? '500'))
    const jvm = [`-Xmx${options.heap ?? '256m'}`, '-XX:+UseSerialGC', `-Dlogback.configurationFile=${join(HERE, 'logback.xml')}`]
    const main = 'org.apache.zookeeper.server.quorum.QuorumPeerMain'
    return {
      id: Number(server.id),
      connect: `${server.host}:${server.port}`,
      command: ['java', ...jvm, '-cp', join(JARS, '*'), main, config],
    }
  })
  console.log(JSON.stringify({ version: VERSION, servers: planned }))
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: 'string' },
    server: { type: 'string', multiple: true },
    tick: { type: 'string' },
    heap: { type: 'string' },
  },
})
const commands = { fetch: fetchJars, plan: () => plan(values) }
const command = commands[positionals[0]]
if (!command) fail(USAGE)
command()
