// Drives any server of ZooKeeper's protocol: create, setData and getData, one request at a time and with 64 outstanding. With two servers
// every row is measured on one right after the other, and the ratio is of the first to the second.
// Usage: node dist/bench/system/znode-load.js --help

import { connect, type Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { Opcode } from '../../src/ensemble/tree/codes.js'
import { OPEN_ACL } from '../../src/ensemble/tree/types.js'
import { FrameReader } from '../../src/ensemble/wire/frame-reader.js'
import { codecOf, writer } from '../../src/ensemble/wire/jute/codec.js'
import * as records from '../../src/ensemble/wire/jute/records.js'
import type { JuteRecord, ShapeOf } from '../../src/ensemble/wire/jute/schema.js'
import { median, printMachine, round, withDirectory, writeAlone } from './machine.js'

const HELP = `usage: znode-load NAME=HOST:PORT [NAME=HOST:PORT] [--seconds 3] [--rounds 3] [--outstanding 1,64] [--connections 1] [--bytes 100] [--dir DIR] [--json]
  Rows are medians over the rounds, in requests per second. --dir: where to measure what fdatasync does alone (default: temporary files).`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: 'boolean' },
    json: { type: 'boolean' },
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    outstanding: { type: 'string', default: '1,64' },
    connections: { type: 'string', default: '1' },
    bytes: { type: 'string', default: '100' },
    dir: { type: 'string' },
  },
})

const DATA = Buffer.alloc(Number(values.bytes), 120)
const OPERATIONS = ['create', 'setData', 'getData'] as const
type Operation = (typeof OPERATIONS)[number]

/** One session that keeps so many requests under way. The client must cost little: frames are built once and xids patched in. */
class Session {
  readonly #socket: Socket
  readonly #frames = new FrameReader(1 << 24)
  #answered: (err: number) => void = () => undefined
  #failed: (error: Error) => void = () => undefined
  #hello: (() => void) | null = null

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#received(chunk))
    socket.on('error', (error) => this.#failed(error))
    socket.on('close', () => this.#failed(new Error('the server closed the connection')))
  }

  static async open(address: string): Promise<Session> {
    const [host, port] = address.split(':')
    const session = new Session(connect(Number(port), host))
    await new Promise<void>((resolve, reject) => {
      session.#hello = resolve
      session.#failed = reject
      writer.begin()
      const request = { protocolVersion: 0, lastZxidSeen: 0n, timeOut: 30_000, sessionId: 0n, passwd: new Uint8Array(16) }
      codecOf(records.ConnectRequest).write(writer, request)
      writer.bool(false)
      session.#socket.write(writer.finish())
    })
    return session
  }

  #received(chunk: Buffer): void {
    this.#frames.push(chunk)
    this.#socket.cork()
    while (this.#frames.next() === 'frame') {
      if (this.#hello) {
        this.#hello()
        this.#hello = null
      } else this.#answered(this.#frames.bytes.readInt32BE(this.#frames.start + 12))
    }
    this.#socket.uncork()
  }

  call(frame: Buffer): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#answered = resolve
      this.#failed = reject
      this.#socket.write(frame)
    })
  }

  /** Requests answered in the time. */
  load(next: () => Buffer, outstanding: number, seconds: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const until = performance.now() + seconds * 1000
      let answered = 0
      let inFlight = 0
      let over = false
      const send = (): void => {
        inFlight++
        this.#socket.write(next())
      }
      this.#failed = reject
      this.#answered = (err) => {
        inFlight--
        if (err !== 0) return reject(new Error(`a request was answered with ${err}`))
        if (!over) {
          answered++
          if (performance.now() >= until) over = true
          else return send()
        }
        if (inFlight === 0) resolve(answered)
      }
      this.#socket.cork()
      for (let i = 0; i < outstanding; i++) send()
      this.#socket.uncork()
    })
  }

  async close(): Promise<void> {
    await this.call(frameOf(1, Opcode.closeSession)).catch(() => undefined)
    this.#socket.destroy()
  }
}

function frameOf<R extends JuteRecord>(xid: number, opcode: number, of?: R, value?: ShapeOf<R>): Buffer {
  writer.begin()
  writer.int(xid)
  writer.int(opcode)
  if (of) codecOf(of).write(writer, value as never)
  return Buffer.from(writer.finish())
}

function requests(operation: Operation, base: string, tag: string): () => Buffer {
  let xid = 1
  let made = 0
  switch (operation) {
    case 'create':
      return () =>
        frameOf(xid++, Opcode.create, records.CreateRequest, { path: `${base}/${tag}-${made++}`, data: DATA, acl: OPEN_ACL, flags: 0 })
    case 'setData':
      return () => frameOf(xid++, Opcode.setData, records.SetDataRequest, { path: `${base}/n${xid % 100}`, data: DATA, version: -1 })
    case 'getData':
      return () => frameOf(xid++, Opcode.getData, records.PathWatch, { path: `${base}/n${xid % 100}`, watch: false })
  }
}

async function measure(address: string, base: string, operation: Operation, outstanding: number, tag: string): Promise<number> {
  const connections = Number(values.connections)
  const sessions = await Promise.all(Array.from({ length: connections }, () => Session.open(address)))
  const seconds = Number(values.seconds)
  const each = Math.max(1, Math.floor(outstanding / connections))
  const run = (length: number, part: string): Promise<number[]> =>
    Promise.all(sessions.map((session, i) => session.load(requests(operation, base, `${tag}-${part}-${i}`), each, length)))
  await run(Math.min(1, seconds / 3), 'warm')
  const counts = await run(seconds, 'run')
  await Promise.all(sessions.map((session) => session.close()))
  return counts.reduce((sum, count) => sum + count, 0) / seconds
}

async function prepare(address: string): Promise<string> {
  const base = `/load-${process.pid}-${Date.now()}`
  const session = await Session.open(address)
  const create = (path: string) =>
    session.call(frameOf(1, Opcode.create, records.CreateRequest, { path, data: DATA, acl: OPEN_ACL, flags: 0 }))
  await create(base)
  for (let i = 0; i < 100; i++) await create(`${base}/n${i}`)
  await session.close()
  return base
}

if (values.help || positionals.length === 0) console.log(HELP)
else {
  if (!values.json) printMachine()
  const servers = await Promise.all(
    positionals.map(async (text) => {
      const [name, address] = text.split('=') as [string, string]
      return { name, address, base: await prepare(address) }
    }),
  )
  const disk = await withDirectory(values.dir, (directory) => Promise.resolve(writeAlone(directory, 512, 1, true).syncsPerSecond))
  const rows: Record<string, string | number>[] = []
  for (const outstanding of values.outstanding.split(',').map(Number)) {
    for (const operation of OPERATIONS) {
      const rates = servers.map((): number[] => [])
      for (let at = 0; at < Number(values.rounds); at++) {
        for (const [i, { address, base }] of servers.entries()) {
          rates[i]!.push(await measure(address, base, operation, outstanding, `${outstanding}-${at}`))
        }
      }
      const medians = rates.map(median)
      const row: Record<string, string | number> = { operation, outstanding }
      servers.forEach(({ name }, i) => (row[name] = Math.round(medians[i]!)))
      if (medians.length === 2) row['ratio'] = round(medians[0]! / medians[1]!)
      rows.push(row)
    }
  }
  if (values.json) console.log(JSON.stringify({ disk, rows }))
  else {
    console.table(rows)
    console.log(`fdatasync alone after 512 bytes: ${disk}/s`)
  }
}
