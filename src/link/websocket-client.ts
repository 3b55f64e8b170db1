// The dialing end of one WebSocket (RFC 6455) over TCP or TLS: the upgrade, then messages both ways. Reads into one buffer (websocket-frames.ts).
// Runs on the link thread.

import { createHash, randomBytes } from 'node:crypto'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { closeFrame, messageFrame, pongFrame, WebSocketReader } from './websocket-frames.js'

export interface WebSocketEvents {
  open(): void
  /** See WebSocketSink. */
  room?(head: Uint8Array, bytes: number): Uint8Array | undefined
  /** The bytes die with the call. */
  message(bytes: Uint8Array): void
  /** What was sent left, after `buffered` had been above the mark. */
  drained(): void
  /** Once, last of all. */
  closed(reason: string): void
}

export interface WebSocketTarget {
  readonly host: string
  readonly port: number
  readonly path: string
  /** null: plain TCP. */
  readonly tls: ConnectionOptions | null
  readonly maxMessageBytes: number
}

/** RFC 6455, 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const MAX_RESPONSE_BYTES = 16 << 10
const WRITE_MARK = 64 << 10
/** The other end closes the connection after the close frame; if it does not, so do we. */
const CLOSE_WAIT_MS = 2000

export class WebSocketClient {
  private readonly events: WebSocketEvents
  private readonly target: WebSocketTarget
  private readonly socket: Socket
  private readonly key = randomBytes(16).toString('base64')
  private readonly reader: WebSocketReader
  /** What came of the server's answer to the upgrade; undefined: it is over. */
  private response: Buffer | undefined = Buffer.alloc(0)
  private reason = 'the connection was closed'
  private over = false

  constructor(target: WebSocketTarget, events: WebSocketEvents) {
    this.target = target
    this.events = events
    this.reader = new WebSocketReader(target.maxMessageBytes, {
      room: (head, bytes) => events.room?.(head, bytes),
      message: (bytes) => events.message(bytes),
      ping: (bytes) => void this.write(pongFrame(bytes)),
      closed: (code, reason) => this.peerCloses(code, reason),
      broken: (reason) => this.terminate(reason),
    })
    const { host, port } = target
    const onread = { buffer: () => this.reader.space(), callback: (length: number) => this.came(length) }
    const options = { host, port, noDelay: true, writableHighWaterMark: WRITE_MARK, onread }
    this.socket = target.tls ? connectTls({ ...options, ...target.tls } as ConnectionOptions) : connectTcp(options)
    this.socket.on(target.tls ? 'secureConnect' : 'connect', () => this.upgrade())
    this.socket.on('drain', () => events.drained())
    this.socket.on('error', (error) => (this.reason = error.message))
    this.socket.on('close', () => this.ended())
    // Without it the end of the stream is never seen.
    this.socket.resume()
  }

  /** False: the connection is not open. The bytes may be used again when it returns. */
  send(message: Uint8Array): boolean {
    return this.response === undefined && this.write(messageFrame(message))
  }

  /** Bytes that were sent and that the kernel has not taken. */
  get buffered(): number {
    return this.socket.writableLength
  }

  /** What `work` sends leaves together. */
  cork(work: () => void): void {
    this.socket.cork()
    try {
      work()
    } finally {
      this.socket.uncork()
    }
  }

  /** What was sent still arrives. */
  close(): void {
    if (this.over || this.response !== undefined) return this.terminate()
    this.reader.close()
    this.endWith(1000)
  }

  terminate(reason?: string): void {
    if (reason !== undefined) this.reason = reason
    this.reader.close()
    this.socket.destroy()
  }

  private write(frame: Buffer): boolean {
    if (this.over || !this.socket.writable) return false
    this.socket.write(frame)
    return true
  }

  private upgrade(): void {
    const { host, port, path } = this.target
    const name = host.includes(':') ? `[${host}]` : host
    this.socket.write(
      [
        `GET ${path} HTTP/1.1`,
        `Host: ${name}:${port}`,
        'Upgrade: websocket',
        'Connection: Upgrade',
        `Sec-WebSocket-Key: ${this.key}`,
        'Sec-WebSocket-Version: 13',
        '\r\n',
      ].join('\r\n'),
    )
  }

  private came(length: number): boolean {
    if (this.over) return false
    if (this.response === undefined) this.reader.came(length)
    else this.answerCame(length)
    return !this.over
  }

  /** Bytes of the answer come into the reader's space too, before it has seen any. */
  private answerCame(length: number): void {
    const response = (this.response = Buffer.concat([this.response!, this.reader.space().subarray(0, length)]))
    const end = response.indexOf('\r\n\r\n')
    if (end < 0) {
      if (response.length > MAX_RESPONSE_BYTES)
        this.terminate(`more than ${MAX_RESPONSE_BYTES} bytes came, and no answer to a WebSocket upgrade`)
      return
    }
    const wrong = this.refusal(response.toString('latin1', 0, end))
    if (wrong !== null) return this.terminate(wrong)
    this.response = undefined
    this.events.open()
    // The first frames may have come along.
    const rest = response.subarray(end + 4)
    for (let at = 0; at < rest.length && !this.over;) {
      const taken = rest.copy(this.reader.space(), 0, at)
      this.reader.came(taken)
      at += taken
    }
  }

  private refusal(head: string): string | null {
    const [status = '', ...lines] = head.split('\r\n')
    const code = /^HTTP\/1\.1 (\d{3})/.exec(status)?.[1]
    if (code === undefined) return 'what answers there does not speak HTTP'
    if (code !== '101') return `the server answered HTTP ${code} to a WebSocket upgrade`
    const headers = new Map(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]))
    const accept = createHash('sha1')
      .update(this.key + GUID)
      .digest('base64')
    if (headers.get('upgrade')?.toLowerCase() !== 'websocket' || headers.get('sec-websocket-accept') !== accept)
      return 'the server answered a WebSocket upgrade with something else'
    return null
  }

  private peerCloses(code: number, reason: string): void {
    this.reason = reason === '' ? `the peer closed the WebSocket (${code})` : `the peer closed the WebSocket (${code}): ${reason}`
    this.endWith(code === 1005 ? 1000 : code)
  }

  private endWith(code: number): void {
    this.socket.end(closeFrame(code))
    this.socket.setTimeout(CLOSE_WAIT_MS, () => this.terminate())
  }

  private ended(): void {
    if (this.over) return
    this.over = true
    this.reader.close()
    this.events.closed(this.reason)
  }
}
