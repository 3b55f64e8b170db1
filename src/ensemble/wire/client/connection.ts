// One TCP (or TLS) connection of a session: the handshake, frames both ways, pings and the read timeout. It knows no operation; the client
// above makes a new one when this ends. Pings go out after 1/3 of the negotiated timeout without anything sent; 2/3 without anything
// heard end the connection, so that there is time to reach another server before the session expires.

import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import type { Env, Timer } from '../../../env/env.js'
import { Opcode } from '../../tree/codes.js'
import { FrameReader } from '../frame-reader.js'
import { codecOf, reader, writer } from '../jute/codec.js'
import * as records from '../jute/records.js'
import type { JuteWriter } from '../jute/writer.js'
import type { ServerAddress } from './connect-string.js'
import { Xid } from '../xids.js'

const connectRequest = codecOf(records.ConnectRequest)
const connectResponse = codecOf(records.ConnectResponse)
const replyHeader = codecOf(records.ReplyHeader)

export interface Handshake {
  readonly lastZxidSeen: bigint
  readonly sessionId: bigint
  readonly password: Uint8Array
  readonly timeoutMs: number
}

export interface ConnectionHandlers {
  /** Of every outcome of the handshake; `timeoutMs` 0: the session is gone. */
  established(session: Handshake): void
  /** The shared reader stands behind the header. */
  reply(xid: number, zxid: bigint, err: number): void
  /** A request sent at this monotonic time was answered: the server knew of us then or later. */
  confirmed(sentAt: number): void
  lost(reason: string): void
}

export interface ConnectionOptionsOf {
  readonly env: Env
  readonly server: ServerAddress
  readonly tls: ConnectionOptions | undefined
  /** Limit of the handshake. */
  readonly connectTimeoutMs: number
  readonly maxFrameBytes: number
}

export class ClientConnection {
  readonly #env: Env
  readonly #handlers: ConnectionHandlers
  readonly #socket: Socket
  readonly #frames: FrameReader
  #timer: Timer
  #open = true
  #established = false
  #timeoutMs = 0
  #lastSent = 0
  #lastHeard = 0
  #pings: number[] = []
  #corked = false

  constructor(options: ConnectionOptionsOf, session: Handshake, handlers: ConnectionHandlers) {
    const { env, server, tls } = options
    this.#env = env
    this.#handlers = handlers
    this.#frames = new FrameReader(options.maxFrameBytes)
    this.#socket = tls ? connectTls({ servername: server.host, ...tls, ...server }) : connectTcp({ ...server })
    this.#socket.setNoDelay(true)
    this.#socket.once(tls ? 'secureConnect' : 'connect', () => this.#hello(session))
    this.#socket.on('data', (chunk: Buffer) => this.#received(chunk))
    this.#socket.on('error', (error) => this.close(error.message))
    this.#socket.on('close', () => this.close('the server closed the connection'))
    this.#timer = env.timers.after(options.connectTimeoutMs, () => this.close(`no session within ${options.connectTimeoutMs} ms`))
  }

  close(reason: string): void {
    if (!this.#open) return
    this.#open = false
    this.#timer.cancel()
    this.#socket.destroy()
    this.#handlers.lost(reason)
  }

  /** Sends a frame; returns the monotonic time of it. What is sent in one turn leaves as one write. */
  send(write: (w: JuteWriter) => void): number {
    writer.begin()
    write(writer)
    const now = this.#env.clock.monotonic()
    this.#lastSent = now
    if (!this.#corked) {
      this.#corked = true
      this.#socket.cork()
      process.nextTick(() => {
        this.#corked = false
        this.#socket.uncork()
      })
    }
    this.#socket.write(writer.finish())
    return now
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength
  }

  #hello({ lastZxidSeen, sessionId, password, timeoutMs }: Handshake): void {
    if (!this.#open) return
    this.send((w) => {
      connectRequest.write(w, { protocolVersion: 0, lastZxidSeen, timeOut: timeoutMs, sessionId, passwd: password })
      w.bool(false)
    })
  }

  #received(chunk: Buffer): void {
    if (!this.#open) return
    this.#lastHeard = this.#env.clock.monotonic()
    this.#frames.push(chunk)
    try {
      while (this.#open && this.#frame());
    } catch (error) {
      // Whatever it is, this connection can no longer be followed.
      this.#env.logger.warn({ error: String(error) }, 'closing a connection to ZooKeeper: its answer cannot be read')
      this.close(String(error))
    }
  }

  #frame(): boolean {
    const next = this.#frames.next()
    if (next === 'more') return false
    if (next === 'bad') {
      this.close(`an answer of ${this.#frames.badLength} bytes`)
      return false
    }
    reader.reset(this.#frames.bytes, this.#frames.start, this.#frames.end)
    if (!this.#established) {
      this.#establish()
      return true
    }
    const { xid, zxid, err } = replyHeader.read(reader)
    if (xid === Xid.ping) {
      const sentAt = this.#pings.shift()
      if (sentAt !== undefined) this.#handlers.confirmed(sentAt)
    } else this.#handlers.reply(xid, zxid, err)
    return true
  }

  #establish(): void {
    const { timeOut, sessionId, passwd } = connectResponse.read(reader)
    this.#established = true
    this.#timeoutMs = timeOut
    this.#timer.cancel()
    const password = Uint8Array.prototype.slice.call(passwd ?? [])
    const saidHello = this.#lastSent
    this.#handlers.established({ lastZxidSeen: 0n, sessionId, password, timeoutMs: timeOut })
    if (timeOut <= 0) return this.close('the session is gone')
    this.#handlers.confirmed(saidHello)
    this.#watchTime()
  }

  #watchTime(): void {
    if (!this.#open) return
    const now = this.#env.clock.monotonic()
    const pingAt = this.#lastSent + this.#timeoutMs / 3
    const lostAt = this.#lastHeard + (this.#timeoutMs * 2) / 3
    if (now >= lostAt) return this.close(`nothing heard for ${Math.round(now - this.#lastHeard)} ms of a session of ${this.#timeoutMs} ms`)
    if (now >= pingAt) {
      this.#pings.push(
        this.send((w) => {
          w.int(Xid.ping)
          w.int(Opcode.ping)
        }),
      )
    }
    const next = Math.min(this.#lastSent + this.#timeoutMs / 3, lostAt)
    this.#timer = this.#env.timers.after(Math.max(1, Math.ceil(next - now)), () => this.#watchTime())
  }
}
