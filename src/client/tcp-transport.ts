// Transport over TCP or TLS (node:net, node:tls). Owns sockets, frames and their order; knows no message.
// Requests are pipelined: responses come back in the order of requests, so a queue of waiters is enough and a
// response with another correlation id is a broken peer. Never retries; a broken connection fails what waits on it.

import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { ClientError } from './errors.js'
import type { BrokerAddress, Connection, Transport } from './transport.js'

/** Responses are bounded by what was asked for; a length above this is a peer that does not speak the protocol. */
const MAX_FRAME_BYTES = 1 << 30
/** One receive buffer per thread: every plain connection reads into it, and only frames are copied out. */
const RECEIVE_BYTES = 256 * 1024
/** Pieces up to this size are joined with the length prefix so that a small request is one write. */
const JOIN_BYTES = 4096

let receiveBuffer: Uint8Array | undefined

interface Waiter {
  readonly correlationId: number
  resolve(frame: Uint8Array): void
  reject(error: Error): void
}

const EMPTY = new Uint8Array(0)

/** Reassembles length-prefixed frames from chunks that may be reused by the caller afterwards. */
export class FrameReader {
  readonly #deliver: (frame: Uint8Array) => void
  readonly #prefix = new Uint8Array(4)
  #prefixBytes = 0
  #frame: Uint8Array | undefined
  #filled = 0

  constructor(deliver: (frame: Uint8Array) => void) {
    this.#deliver = deliver
  }

  /** Takes what arrived. Throws when a length cannot be one. */
  push(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#frame === undefined) {
        while (this.#prefixBytes < 4 && at < chunk.length) this.#prefix[this.#prefixBytes++] = chunk[at++]!
        if (this.#prefixBytes < 4) return
        const p = this.#prefix
        const length = ((p[0]! << 24) | (p[1]! << 16) | (p[2]! << 8) | p[3]!) >>> 0
        if (length > MAX_FRAME_BYTES) {
          throw new ClientError(
            'ERR_MILLRACE_BAD_FRAME',
            `a response claims ${length} bytes: the peer does not speak the Kafka protocol (is it a TLS port?)`,
          )
        }
        // Not from the shared pool: records are handed to the user without a copy and may live long.
        this.#frame = new Uint8Array(length)
        this.#filled = 0
      }
      const frame = this.#frame
      const take = Math.min(frame.length - this.#filled, chunk.length - at)
      frame.set(take === chunk.length && at === 0 ? chunk : chunk.subarray(at, at + take), this.#filled)
      this.#filled += take
      at += take
      if (this.#filled < frame.length) return
      this.#frame = undefined
      this.#prefixBytes = 0
      this.#deliver(frame)
    }
  }
}

class TcpConnection implements Connection {
  readonly #socket: Socket
  readonly #where: string
  /** Head index into `#waiters`; compacted now and then so that shifting stays cheap. */
  #waiters: Waiter[] = []
  #head = 0
  #open = true
  #corked = false

  constructor(socket: Socket, where: string) {
    this.#socket = socket
    this.#where = where
  }

  get isOpen(): boolean {
    return this.#open
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength
  }

  request(pieces: readonly Uint8Array[], correlationId: number, expectResponse: boolean): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (!this.#open) {
        reject(new ClientError('ERR_MILLRACE_DISCONNECTED', `the connection to ${this.#where} is closed`))
        return
      }
      if (expectResponse) {
        this.#waiters.push({ correlationId, resolve, reject })
        this.#write(pieces)
      } else {
        this.#write(pieces, (error) => {
          if (error) reject(disconnected(this.#where, error))
          else resolve(EMPTY)
        })
      }
    })
  }

  close(): void {
    this.fail(new ClientError('ERR_MILLRACE_DISCONNECTED', `the connection to ${this.#where} was closed by this client`))
    this.#socket.destroy()
  }

  onFrame(frame: Uint8Array): void {
    const waiter = this.#waiters[this.#head]
    const correlationId = frame.length < 4 ? undefined : (frame[0]! << 24) | (frame[1]! << 16) | (frame[2]! << 8) | frame[3]!
    if (waiter === undefined || waiter.correlationId !== correlationId) {
      const text = `${this.#where} answered request ${correlationId}, expected ${waiter?.correlationId ?? 'none'}`
      this.fail(new ClientError('ERR_MILLRACE_BAD_FRAME', text))
      this.#socket.destroy()
      return
    }
    this.#head++
    if (this.#head === this.#waiters.length || this.#head > 64) {
      this.#waiters = this.#waiters.slice(this.#head)
      this.#head = 0
    }
    waiter.resolve(frame)
  }

  /** Ends the conversation: everything that waits fails with `error`. */
  fail(error: Error): void {
    if (!this.#open) return
    this.#open = false
    const waiters = this.#waiters.slice(this.#head)
    this.#waiters = []
    this.#head = 0
    for (const waiter of waiters) waiter.reject(error)
  }

  /** Length prefix and pieces, corked until the end of this tick so that many requests leave in one writev. */
  #write(pieces: readonly Uint8Array[], done?: (error?: Error | null) => void): void {
    let total = 0
    for (const piece of pieces) total += piece.length
    const socket = this.#socket
    if (!this.#corked) {
      this.#corked = true
      socket.cork()
      process.nextTick(() => {
        this.#corked = false
        socket.uncork()
      })
    }
    let from = 0
    let joined = 4
    while (from < pieces.length && joined + pieces[from]!.length <= JOIN_BYTES) joined += pieces[from++]!.length
    const start = Buffer.allocUnsafe(joined)
    start.writeUInt32BE(total, 0)
    let at = 4
    for (let i = 0; i < from; i++) {
      start.set(pieces[i]!, at)
      at += pieces[i]!.length
    }
    if (from === pieces.length) {
      socket.write(start, done)
      return
    }
    socket.write(start)
    for (let i = from; i < pieces.length; i++) socket.write(pieces[i]!, i === pieces.length - 1 ? done : undefined)
  }
}

function disconnected(where: string, cause?: Error): ClientError {
  const reason = cause ? `: ${cause.message}` : ' by the peer'
  return new ClientError('ERR_MILLRACE_DISCONNECTED', `the connection to ${where} was closed${reason}`, cause ? { cause } : undefined)
}

export interface TcpTransportOptions {
  /** `['host:port', …]` or `'host:port,host:port'`. */
  readonly bootstrapServers: string | readonly string[]
  /** `true` for TLS with Node's default trust, or options passed to `tls.connect` as they are. */
  readonly tls?: boolean | ConnectionOptions
}

/** Reads `host:port`, `[v6]:port`; the port defaults to 9092. */
export function parseAddresses(servers: string | readonly string[]): BrokerAddress[] {
  const list = typeof servers === 'string' ? servers.split(',') : servers
  const addresses: BrokerAddress[] = []
  for (const text of list) {
    const entry = text.trim()
    if (entry === '') continue
    const match = /^(?:[A-Za-z_]+:\/\/)?(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(entry)
    const port = Number(match?.[3] ?? 9092)
    if (!match || port < 1 || port > 65535) {
      throw new ClientError('ERR_MILLRACE_SETTING', `bootstrapServers: '${entry}' is not HOST:PORT`)
    }
    addresses.push({ nodeId: -1, host: (match[1] ?? match[2])!, port })
  }
  if (addresses.length === 0)
    throw new ClientError('ERR_MILLRACE_SETTING', 'bootstrapServers names no address; give HOST:PORT, several separated by commas')
  return addresses
}

/**
 * TCP to any Kafka-compatible cluster.
 *
 *     const transport = new TcpTransport({ bootstrapServers: 'localhost:9092' })
 */
export class TcpTransport implements Transport {
  readonly bootstrap: readonly BrokerAddress[]
  readonly #tls: boolean | ConnectionOptions
  readonly #connections = new Set<TcpConnection>()
  #closed = false

  constructor(options: TcpTransportOptions) {
    this.bootstrap = parseAddresses(options.bootstrapServers)
    this.#tls = options.tls ?? false
  }

  connect(address: BrokerAddress, timeoutMs: number): Promise<Connection> {
    const where = `${address.host}:${address.port}`
    if (this.#closed) return Promise.reject(new ClientError('ERR_MILLRACE_CLOSED', 'the client is closed'))
    return new Promise((resolve, reject) => {
      const state: { connection: TcpConnection | undefined } = { connection: undefined }
      const reader = new FrameReader((frame) => state.connection?.onFrame(frame))
      const receive = (chunk: Uint8Array): void => {
        try {
          reader.push(chunk)
        } catch (error) {
          state.connection?.fail(error as Error)
          socket.destroy()
        }
      }
      const socket = this.#open(address, receive)
      const timer = setTimeout(() => {
        reject(new ClientError('ERR_MILLRACE_CONNECT', `no connection to ${where} within ${timeoutMs} ms`))
        socket.destroy()
      }, timeoutMs)
      let failure: Error | undefined
      socket.setNoDelay(true)
      socket.on('error', (error) => (failure = error))
      socket.on('close', () => {
        clearTimeout(timer)
        if (state.connection) {
          this.#connections.delete(state.connection)
          state.connection.fail(disconnected(where, failure))
        } else {
          const text = `cannot connect to ${where}: ${failure?.message ?? 'closed'}`
          reject(new ClientError('ERR_MILLRACE_CONNECT', text, failure ? { cause: failure } : undefined))
        }
      })
      socket.once(this.#tls === false ? 'connect' : 'secureConnect', () => {
        clearTimeout(timer)
        if (this.#closed) {
          socket.destroy()
          return
        }
        state.connection = new TcpConnection(socket, where)
        this.#connections.add(state.connection)
        resolve(state.connection)
      })
    })
  }

  close(): void {
    this.#closed = true
    for (const connection of this.#connections) connection.close()
    this.#connections.clear()
  }

  #open(address: BrokerAddress, receive: (chunk: Uint8Array) => void): Socket {
    const { host, port } = address
    if (this.#tls !== false) {
      const options = this.#tls === true ? {} : this.#tls
      const socket = connectTls({ host, port, servername: /^[\d.]+$|:/.test(host) ? undefined : host, ...options } as ConnectionOptions)
      socket.on('data', receive)
      return socket
    }
    receiveBuffer ??= new Uint8Array(RECEIVE_BYTES)
    const buffer = receiveBuffer
    return connectTcp({
      host,
      port,
      // Frames are copied out before the callback returns, so that every connection can share the buffer.
      onread: {
        buffer,
        callback: (count, filled) => {
          receive(filled.subarray(0, count))
          return true
        },
      },
    })
  }
}
