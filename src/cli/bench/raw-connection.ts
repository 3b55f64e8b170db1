// One TCP connection for load: bytes that were encoded before go out, frames that come in are handed over as views. No promise, no object
// and no copy per request where it can be avoided, so that the generator takes as little of the machine as it can from the server.
// Knows frames and correlation order, no message; `call` is for the few control requests. Not for TLS.

import { connect, type Socket } from 'node:net'
import { decodeResponse, encodeRequest } from '../../protocol/codec/index.js'
import type { BodyOf } from '../../protocol/codec/codec.js'
import type { MessageOf } from '../../protocol/schema/dsl.js'
import type { Api } from '../../protocol/schema/index.js'
import { CliError, ExitCode } from '../errors.js'

export interface Address {
  readonly host: string
  readonly port: number
}

/** A frame without its length. The bytes are valid during the call only. */
export type OnFrame = (frame: Buffer) => void

const RECEIVE_BYTES = 256 * 1024
const CONNECT_TIMEOUT_MS = 10_000
const CLIENT_ID = 'millrace-bench'
/** Every connection of the thread reads into it: it stays in the cache, and frames are consumed before the callback returns. */
let receiveBuffer: Uint8Array | undefined

export class RawConnection {
  readonly address: Address
  readonly #socket: Socket
  #onFrame: OnFrame = () => {}
  #onFailure: ((error: Error) => void) | undefined
  #failure: Error | undefined
  #closed = false
  /** Grows to the largest frame seen and is used again. */
  #assembly = Buffer.alloc(0)
  #prefix = Buffer.alloc(4)
  #prefixBytes = 0
  #length = -1
  #filled = 0
  #correlation = 0
  #calls: Promise<unknown> = Promise.resolve()
  #rejectCall: ((error: Error) => void) | undefined

  private constructor(address: Address, socket: Socket) {
    this.address = address
    this.#socket = socket
  }

  static connect(address: Address): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      receiveBuffer ??= new Uint8Array(RECEIVE_BYTES)
      const state: { connection?: RawConnection } = {}
      const socket = connect({
        ...address,
        onread: {
          buffer: receiveBuffer,
          callback: (count, filled) => {
            state.connection?.receive(filled as Buffer, count)
            return true
          },
        },
      })
      const where = `${address.host}:${address.port}`
      const timer = setTimeout(() => socket.destroy(new Error(`no connection within ${CONNECT_TIMEOUT_MS} ms`)), CONNECT_TIMEOUT_MS)
      socket.setNoDelay(true)
      let failure: Error | undefined
      socket.on('error', (error) => (failure = error))
      socket.on('close', () => {
        clearTimeout(timer)
        const text = failure?.message ?? 'closed by the server'
        if (state.connection) state.connection.fail(new CliError(`the connection to ${where} ended: ${text}`))
        else reject(new CliError(`cannot connect to ${where}: ${text}`, ExitCode.unreachable))
      })
      socket.once('connect', () => {
        clearTimeout(timer)
        state.connection = new RawConnection(address, socket)
        resolve(state.connection)
      })
    })
  }

  /** Who gets frames, and who hears of the end. */
  attach(onFrame: OnFrame, onFailure: (error: Error) => void): void {
    this.#onFrame = onFrame
    this.#onFailure = onFailure
    if (this.#failure) onFailure(this.#failure)
  }

  /** Pieces of one or more requests, lengths included. They must stay as they are. */
  send(pieces: readonly Uint8Array[], written?: () => void): void {
    const socket = this.#socket
    if (pieces.length === 1) {
      socket.write(pieces[0]!, written)
      return
    }
    socket.cork()
    const last = pieces.length - 1
    for (let i = 0; i < last; i++) socket.write(pieces[i]!)
    socket.write(pieces[last]!, written)
    socket.uncork()
  }

  /** Requests written between two of these leave in one system call. */
  cork(): void {
    this.#socket.cork()
  }

  uncork(): void {
    this.#socket.uncork()
  }

  /** One control request and its answer, one after the other; no load may be on the way. */
  call<A extends Api>(api: A, version: number, body: BodyOf<A['request']>): Promise<MessageOf<A['response']>> {
    const answer = this.#calls.then(() => this.#call(api, version, body))
    this.#calls = answer.catch(() => undefined)
    return answer
  }

  #call<A extends Api>(api: A, version: number, body: BodyOf<A['request']>): Promise<MessageOf<A['response']>> {
    return new Promise((resolve, reject) => {
      this.#rejectCall = reject
      this.attach((frame) => {
        this.attach(
          () => {},
          () => {},
        )
        try {
          // Copied: what is decoded may hold views, and the caller keeps it.
          resolve(decodeResponse(api, version, Buffer.from(frame)).body)
        } catch (error) {
          reject(error as Error)
        }
      }, reject)
      this.send([frameOf(encodeRequest(api, version, ++this.#correlation, CLIENT_ID, body))])
    })
  }

  close(): void {
    const closed = new CliError('the connection was closed')
    this.#failure ??= closed
    this.#closed = true
    // Load that was going on is its owner's business, who closes; a control request that waits would wait for ever.
    this.#rejectCall?.(closed)
    this.#socket.destroy()
  }

  fail(error: Error): void {
    if (this.#closed || this.#failure) return
    this.#failure = error
    this.#onFailure?.(error)
  }

  /** Answers that came in one read, as most do, are followed by requests that leave in one write. */
  receive(bytes: Buffer, count: number): void {
    this.#socket.cork()
    this.#take(bytes, count)
    this.#socket.uncork()
  }

  #take(bytes: Buffer, count: number): void {
    let at = 0
    while (at < count) {
      if (this.#length < 0) {
        while (this.#prefixBytes < 4 && at < count) this.#prefix[this.#prefixBytes++] = bytes[at++]!
        if (this.#prefixBytes < 4) return
        this.#length = this.#prefix.readUInt32BE(0)
        this.#filled = 0
        if (this.#length > 1 << 30) {
          this.fail(new CliError('the server answers with something else than the Kafka protocol'))
          this.close()
          return
        }
      }
      const left = this.#length - this.#filled
      if (this.#filled === 0 && count - at >= left) {
        const frame = Buffer.from(bytes.buffer, bytes.byteOffset + at, left)
        at += left
        this.#done()
        this.#onFrame(frame)
        continue
      }
      if (this.#assembly.length < this.#length) this.#assembly = Buffer.allocUnsafeSlow(this.#length + (this.#length >> 2))
      const take = Math.min(left, count - at)
      this.#assembly.set(new Uint8Array(bytes.buffer, bytes.byteOffset + at, take), this.#filled)
      this.#filled += take
      at += take
      if (take === left) {
        const frame = this.#assembly.subarray(0, this.#length)
        this.#done()
        this.#onFrame(frame)
      }
    }
  }

  #done(): void {
    this.#length = -1
    this.#prefixBytes = 0
    this.#filled = 0
  }
}

/** One request with its length in front, in one piece. */
export function frameOf(pieces: readonly Uint8Array[]): Buffer {
  return Buffer.concat([lengthOf(pieces), ...pieces])
}

export function lengthOf(pieces: readonly Uint8Array[]): Buffer {
  const prefix = Buffer.alloc(4)
  prefix.writeUInt32BE(
    pieces.reduce((sum, piece) => sum + piece.length, 0),
    0,
  )
  return prefix
}
