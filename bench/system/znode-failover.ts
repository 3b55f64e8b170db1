// Kills the leader of an ensemble that speaks ZooKeeper's protocol, again and again, and measures how long no write is acknowledged: from
// the kill to the first setData that any of the others answers, tried at each of them every 10 ms on a session made after the kill. So what
// counts is the servers, not a client's back-off. Usage: node dist/bench/system/znode-failover.js --help

import { spawnSync } from 'node:child_process'
import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Opcode } from '../../src/ensemble/tree/codes.js'
import { codecOf, writer } from '../../src/ensemble/wire/jute/codec.js'
import * as records from '../../src/ensemble/wire/jute/records.js'
import { median, printMachine } from './machine.js'

const HELP = `usage: znode-failover --pid CMD --start CMD [--rounds 20] HOST:PORT HOST:PORT HOST:PORT
  CMD is run by sh with the number of the server (1, 2, 3) in $I; --pid prints its process, which gets SIGKILL.`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { help: { type: 'boolean' }, pid: { type: 'string' }, start: { type: 'string' }, rounds: { type: 'string', default: '20' } },
})
const TRY_MS = 10
/** A server that accepts and does not answer is left for another connection. */
const ANSWER_MS = 1000

function addressOf(server: string): { host: string; port: number } {
  const [host, port] = server.split(':') as [string, string]
  return { host, port: Number(port) }
}

function shell(command: string, index: number): string {
  const { status, stdout, stderr } = spawnSync('sh', ['-c', command], { env: { ...process.env, I: String(index + 1) }, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command}: ${stderr}`)
  return stdout
}

/** Sends and collects until `enough` says so; rejects when the connection ends before. */
function exchange(socket: Socket, bytes: Buffer | string, enough: (gathered: Buffer) => boolean): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let gathered = Buffer.alloc(0)
    const onData = (chunk: Buffer): void => {
      gathered = Buffer.concat([gathered, chunk])
      if (!enough(gathered)) return
      socket.off('data', onData)
      resolve(gathered)
    }
    socket.on('data', onData)
    socket.once('close', () => reject(new Error('closed')))
    socket.write(bytes)
  })
}

const isFrame = (bytes: Buffer): boolean => bytes.length >= 4 && bytes.length >= 4 + bytes.readInt32BE(0)

async function withSocket<T>(server: string, use: (socket: Socket) => Promise<T>): Promise<T | null> {
  const socket = connect({ ...addressOf(server), noDelay: true })
  socket.on('error', () => undefined)
  socket.setTimeout(ANSWER_MS, () => socket.destroy())
  try {
    return await use(socket)
  } catch {
    return null
  } finally {
    socket.destroy()
  }
}

const modeOf = (server: string): Promise<string | null> =>
  withSocket(server, async (socket) => {
    const ended = new Promise((resolve) => socket.once('close', resolve))
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
    socket.write('srvr')
    await ended
    return /Mode: (\w+)/.exec(text)?.[1] ?? null
  })

/** A new session and one write on it. */
const writes = (server: string): Promise<boolean | null> =>
  withSocket(server, async (socket) => {
    writer.begin()
    const request = { protocolVersion: 0, lastZxidSeen: 0n, timeOut: 10_000, sessionId: 0n, passwd: new Uint8Array(16) }
    codecOf(records.ConnectRequest).write(writer, request)
    writer.bool(false)
    const hello = await exchange(socket, Buffer.from(writer.finish()), isFrame)
    if (hello.readInt32BE(8) === 0) return false
    writer.begin()
    writer.int(1)
    writer.int(Opcode.setData)
    codecOf(records.SetDataRequest).write(writer, { path: '/zookeeper/quota', data: Buffer.from('x'), version: -1 })
    const answer = await exchange(socket, Buffer.from(writer.finish()), isFrame)
    return answer.readInt32BE(16) === 0
  })

async function until<T>(what: string, look: () => Promise<T | null>): Promise<T> {
  const end = performance.now() + 60_000
  for (;;) {
    const found = await look()
    if (found !== null) return found
    if (performance.now() > end) throw new Error(`not within a minute: ${what}`)
    await pause(50)
  }
}

/** All follow one leader; its index. */
const settled = (): Promise<number> =>
  until('a leader that all others follow', async () => {
    const modes = await Promise.all(positionals.map(modeOf))
    return modes.every((mode) => mode === 'leader' || mode === 'follower') && modes.includes('leader') ? modes.indexOf('leader') : null
  })

async function firstWrite(servers: readonly string[]): Promise<void> {
  let done = false
  const probe = async (server: string): Promise<void> => {
    while (!done) {
      if (await writes(server)) done = true
      else await pause(TRY_MS)
    }
  }
  await Promise.race(servers.map(probe))
}

if (values.help || positionals.length < 3 || !values.pid || !values.start) console.log(HELP)
else {
  printMachine()
  const times: number[] = []
  for (let round = 0; round < Number(values.rounds); round++) {
    const leader = await settled()
    await pause(300)
    const pid = Number(shell(values.pid, leader))
    process.kill(pid, 'SIGKILL')
    const began = performance.now()
    await firstWrite(positionals.filter((_, i) => i !== leader))
    times.push(Math.round(performance.now() - began))
    console.log(`round ${round + 1}: server ${leader + 1} led; first write after ${times.at(-1)} ms`)
    shell(values.start, leader)
  }
  const sorted = times.toSorted((a, b) => a - b)
  console.log(`p50 ${median(sorted)} ms, ${sorted[0]}-${sorted.at(-1)} ms`)
}
