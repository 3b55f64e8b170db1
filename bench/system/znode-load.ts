// Drives any server of ZooKeeper's protocol: create, setData and getData, one request at a time and with 64 outstanding. With two servers
// every row is measured in short turns in the order A B B A, because disks and machines change from second to second, and the ratio is
// the median over the rounds of such four turns, of the first server to the second. What fdatasync does alone is measured in between.
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

const HELP = `usage: znode-load NAME=HOST:PORT [NAME=HOST:PORT] [--seconds 0.5] [--rounds 6] [--outstanding 1,64] [--operations create,setData,getData]
    [--connections 1] [--bytes 100] [--dir DIR] [--json]
  Rows are requests per second, medians over the rounds of two turns of --seconds each. --dir: where to measure what fdatasync does alone.`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: 'boolean' },
    json: { type: 'boolean' },
    seconds: { type: 'string', default: '0.5' },
    rounds: { type: 'string', default: '6' },
    operations: { type: 'string', default: 'create,setData,getData' },
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

/** The sessions that load one server, open for a whole row: a turn is nothing but its requests. */
class Load {
  readonly #sessions: readonly Session[]
  readonly #next: readonly (() => Buffer)[]
  readonly #outstanding: number

  private constructor(sessions: readonly Session[], next: readonly (() => Buffer)[], outstanding: number) {
    this.#sessions = sessions
    this.#next = next
    this.#outstanding = outstanding
  }

  static async open({ address, base }: Target, operation: Operation, outstanding: number): Promise<Load> {
    const count = Number(values.connections)
    const sessions = await Promise.all(Array.from({ length: count }, () => Session.open(address)))
    const next = sessions.map((_, i) => requests(operation, base, `${outstanding}-${i}`))
    return new Load(sessions, next, Math.max(1, Math.floor(outstanding / count)))
  }

  async rate(seconds: number): Promise<number> {
    const began = performance.now()
    const counts = await Promise.all(this.#sessions.map((session, i) => session.load(this.#next[i]!, this.#outstanding, seconds)))
    return counts.reduce((sum, count) => sum + count, 0) / ((performance.now() - began) / 1000)
  }

  async close(): Promise<void> {
    await Promise.all(this.#sessions.map((session) => session.close()))
  }
}

interface Target {
  readonly name: string
  readonly address: string
  readonly base: string
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

async function row(servers: readonly Target[], operation: Operation, outstanding: number): Promise<Record<string, string | number>> {
  const seconds = Number(values.seconds)
  const loads = await Promise.all(servers.map((server) => Load.open(server, operation, outstanding)))
  for (const load of loads) await load.rate(Math.min(1, seconds))
  const rates = servers.map((): number[] => [])
  const disk: number[] = []
  for (let round = 0; round < Number(values.rounds); round++) {
    const sums = servers.map(() => 0)
    const turns = [...loads.keys(), ...[...loads.keys()].reverse()]
    for (const i of turns) sums[i]! += (await loads[i]!.rate(seconds)) / 2
    sums.forEach((sum, i) => rates[i]!.push(sum))
    if (operation !== 'getData') {
      disk.push(await withDirectory(values.dir, (directory) => Promise.resolve(writeAlone(directory, 512, 0.3, true).syncsPerSecond)))
    }
  }
  await Promise.all(loads.map((load) => load.close()))
  const result: Record<string, string | number> = { operation, outstanding }
  servers.forEach(({ name }, i) => (result[name] = Math.round(median(rates[i]!))))
  if (servers.length === 2) {
    const ratios = rates[0]!.map((rate, i) => rate / rates[1]![i]!)
    Object.assign(result, { ratio: round(median(ratios)), 'of the rounds': `${round(Math.min(...ratios))}-${round(Math.max(...ratios))}` })
  }
  if (disk.length > 0) result['fdatasync/s'] = Math.round(median(disk))
  return result
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
  const rows: Record<string, string | number>[] = []
  const operations = values.operations.split(',') as Operation[]
  for (const outstanding of values.outstanding.split(',').map(Number)) {
    for (const operation of operations) rows.push(await row(servers, operation, outstanding))
  }
  if (values.json) console.log(JSON.stringify({ rows }))
  else console.table(rows)
}
