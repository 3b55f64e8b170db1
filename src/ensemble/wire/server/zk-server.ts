// The ZooKeeper client port of an ensemble member: accepts connections, makes and re-attaches their sessions, holds them to their limits,
// and ends them when their session ends, moves, or this member loses its leader. Runs on the thread of the member (thread coordinator).

import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { Clock, Env } from '../../../env/env.js'
import type { EnsembleServer } from '../../ensemble-server.js'
import { codecOf, reader, writer } from '../jute/codec.js'
import * as records from '../jute/records.js'
import { Connection } from './connection.js'
import { NOT_WHITELISTED, WORDS, type ConnectionView } from './four-letter-words.js'
import { settingsOf, type Settings, type ZkServerOptions } from './options.js'
import type { Connected, ServerSide } from './server-side.js'
import { Statistics } from './statistics.js'

const connectRequest = codecOf(records.ConnectRequest)
const connectResponse = codecOf(records.ConnectResponse)
const NO_PASSWORD = new Uint8Array(16)
/** Words of ZooKeeper that are not served here: answered so, not taken for a frame length. */
const UNSERVED = new Set(['wchc', 'wchp', 'crst', 'srst', 'dirs', 'gtmk', 'stmk', 'hash', 'lead', 'reqs', 'kill'])

export class ZkServer implements ServerSide {
  readonly env: Env
  readonly clock: Clock
  readonly settings: Settings
  readonly ensemble: EnsembleServer
  readonly statistics = new Statistics()
  readonly #server: Server
  readonly #connections = new Set<Connection>()
  readonly #bySession = new Map<bigint, Connection>()
  readonly #byAddress = new Map<string, number>()
  readonly #listeners: (() => void)[]
  #outstanding = 0
  #closing = false

  private constructor(options: ZkServerOptions) {
    this.settings = settingsOf(options)
    this.env = options.env
    this.clock = options.env.clock
    this.ensemble = options.ensemble
    const { tls } = options
    this.#server = tls
      ? createTlsServer({ handshakeTimeout: 10_000, ...tls }, (socket) => this.#accept(socket))
      : createServer((socket) => this.#accept(socket))
    this.#server.on('tlsClientError', (error: Error, socket: Socket) => {
      this.env.logger.debug({ client: socket.remoteAddress, error: error.message }, 'a TLS handshake failed')
      socket.destroy()
    })
    this.#listeners = [
      this.ensemble.onRoleChange((role) => this.#endAll(`this member is ${role}`)),
      this.ensemble.onSessionMoved((id) => this.#bySession.get(id)?.destroy('the session moved to another member')),
      this.ensemble.onSessionEnded((id) => this.#bySession.get(id)?.sessionEnded()),
    ]
  }

  /** Resolves when the port is open; rejects with the system's reason when it cannot be. */
  static async listen(options: ZkServerOptions): Promise<ZkServer> {
    const server = new ZkServer(options)
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject)
      server.#server.listen({ host: options.host, port: options.port }, () => {
        server.#server.off('error', reject)
        server.#server.on('error', (error) => server.env.logger.error({ error: error.message }, 'the ZooKeeper port reports an error'))
        resolve()
      })
    })
    return server
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  get outstanding(): number {
    return this.#outstanding
  }

  get overLimit(): boolean {
    return this.#outstanding > this.settings.globalOutstandingLimit
  }

  /** Sessions go on: clients re-attach elsewhere, or here after a restart. */
  async close(): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    for (const off of this.#listeners) off()
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#endAll('the port is closing')
    await closed
  }

  connections(): readonly ConnectionView[] {
    return Array.from(this.#connections, (each) => each.view())
  }

  word(letters: string): string | null {
    const word = Object.hasOwn(WORDS, letters) ? WORDS[letters] : undefined
    if (word) return word({ ...this.#view(), connections: () => this.connections() })
    return UNSERVED.has(letters) ? NOT_WHITELISTED(letters) : null
  }

  #view() {
    const { settings, port, ensemble, statistics, outstanding } = this
    return { settings, port, ensemble, statistics, outstanding }
  }

  outstandingChanged(change: number): void {
    this.#outstanding += change
  }

  closed(connection: Connection): void {
    if (!this.#connections.delete(connection)) return
    const left = (this.#byAddress.get(connection.address) ?? 1) - 1
    if (left === 0) this.#byAddress.delete(connection.address)
    else this.#byAddress.set(connection.address, left)
    if (this.#bySession.get(connection.sessionId) === connection) this.#bySession.delete(connection.sessionId)
  }

  #endAll(reason: string): void {
    for (const connection of this.#connections) connection.destroy(reason)
  }

  #accept(socket: Socket): void {
    const { maxClientCnxns, maxCnxns } = this.settings
    const connection = new Connection(socket, this)
    const ofAddress = this.#byAddress.get(connection.address) ?? 0
    this.#connections.add(connection)
    this.#byAddress.set(connection.address, ofAddress + 1)
    if (maxClientCnxns > 0 && ofAddress >= maxClientCnxns) this.#refuse(connection, 'maxClientCnxns', maxClientCnxns)
    else if (maxCnxns > 0 && this.#connections.size > maxCnxns) this.#refuse(connection, 'maxCnxns', maxCnxns)
  }

  #refuse(connection: Connection, setting: string, limit: number): void {
    this.env.logger.warn({ client: connection.address, setting, limit }, 'refusing a connection: there are too many')
    connection.destroy(`${setting}=${limit}`)
  }

  async connect(connection: Connection, bytes: Buffer, start: number, end: number): Promise<Connected | string> {
    reader.reset(bytes, start, end)
    const asked = connectRequest.read(reader)
    const withReadOnly = reader.remaining() > 0
    const acceptsReadOnly = withReadOnly && reader.bool()
    const answer = (sessionId: bigint, password: Uint8Array, timeOut: number, readOnly = false): Connected => {
      writer.begin()
      connectResponse.write(writer, { protocolVersion: 0, timeOut, sessionId, passwd: password })
      if (withReadOnly) writer.bool(readOnly)
      return { frame: writer.finish(), accepted: timeOut > 0 }
    }
    if (this.ensemble.role === 'looking') {
      if (!this.settings.readOnlyMode || !acceptsReadOnly) return 'this member has no leader'
      return this.#readOnly(connection, asked.timeOut, answer)
    }
    // It would see the past.
    if (asked.lastZxidSeen > this.ensemble.tree.lastZxid) return `the client has seen zxid 0x${asked.lastZxidSeen.toString(16)}`
    if (asked.sessionId === 0n) {
      const { sessionId, password, timeoutMs } = await this.ensemble.createSession(asked.timeOut)
      this.#own(connection, sessionId, timeoutMs)
      return answer(sessionId, password, timeoutMs)
    }
    const password = asked.passwd ? Uint8Array.prototype.slice.call(asked.passwd) : NO_PASSWORD
    const attached = await this.ensemble.reattach(asked.sessionId, password)
    if (!attached) return answer(0n, NO_PASSWORD, 0)
    this.#bySession.get(asked.sessionId)?.destroy('its session was re-attached by another connection')
    this.#own(connection, asked.sessionId, attached.timeoutMs)
    return answer(asked.sessionId, password, attached.timeoutMs)
  }

  #own(connection: Connection, sessionId: bigint, timeoutMs: number): void {
    connection.sessionId = sessionId
    connection.timeoutMs = timeoutMs
    this.#bySession.set(sessionId, connection)
  }

  /** Without a leader nobody can agree on a session: this one is the connection's alone, and ends with it. */
  #readOnly(
    connection: Connection,
    timeOut: number,
    answer: (id: bigint, password: Uint8Array, timeOut: number, readOnly: boolean) => Connected,
  ): Connected {
    const id = BigInt.asIntN(64, (BigInt(this.ensemble.memberId) << 56n) | (Buffer.from(this.env.random.bytes(8)).readBigUInt64BE() >> 8n))
    const { tickMs } = this.ensemble
    const timeoutMs = Math.min(Math.max(timeOut, 2 * tickMs), 20 * tickMs)
    connection.readOnly = true
    this.#own(connection, id, timeoutMs)
    return answer(id, this.env.random.bytes(16), timeoutMs, true)
  }
}
