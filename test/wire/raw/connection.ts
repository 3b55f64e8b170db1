// One socket to a broker, one request at a time, and what became of it: an answer, a close, or silence.

import { connect, type Socket } from 'node:net'
import { int } from './shape.js'

export type Outcome = { readonly kind: 'answer'; readonly body: Buffer } | { readonly kind: 'closed' } | { readonly kind: 'silent' }

export interface RequestHead {
  readonly apiKey: number
  readonly version: number
  /** Header version 2 (tagged fields) instead of 1. */
  readonly flexible: boolean
  /** The answer's header has tagged fields; only ApiVersions differs from `flexible`. */
  readonly flexibleAnswer?: boolean
}

export class RawConnection {
  private readonly socket: Socket
  private buffered = Buffer.alloc(0)
  private correlation = 0
  private wake: () => void = () => undefined
  closed = false

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.buffered = Buffer.concat([this.buffered, chunk])
      this.wake()
    })
    const ended = (): void => {
      this.closed = true
      this.wake()
    }
    socket.on('close', ended)
    socket.on('end', ended)
    socket.on('error', ended)
  }

  static open(bootstrap: string): Promise<RawConnection> {
    const at = bootstrap.lastIndexOf(':')
    return new Promise((resolve, reject) => {
      const socket = connect(Number(bootstrap.slice(at + 1)), bootstrap.slice(0, at))
      socket.setNoDelay(true)
      socket.once('error', reject)
      socket.once('connect', () => resolve(new RawConnection(socket)))
    })
  }

  close(): void {
    this.closed = true
    this.socket.destroy()
  }

  /** Writes a frame whose length field may lie. */
  sendFrame(body: Buffer, length = body.length): void {
    this.socket.write(Buffer.concat([int(4, length), body]))
  }

  send(head: RequestHead, body: Buffer): void {
    const client = Buffer.from('wire-test')
    this.correlation++
    this.sendFrame(
      Buffer.concat([
        int(2, head.apiKey),
        int(2, head.version),
        int(4, this.correlation),
        int(2, client.length),
        client,
        ...(head.flexible ? [Buffer.from([0])] : []),
        body,
      ]),
    )
  }

  async request(head: RequestHead, body: Buffer, waitMs = 15_000): Promise<Outcome> {
    this.send(head, body)
    const frame = await this.receive(waitMs)
    if (frame.kind !== 'answer') return frame
    return { kind: 'answer', body: frame.body.subarray((head.flexibleAnswer ?? head.flexible) ? 5 : 4) }
  }

  /** The next whole frame, correlation id included. */
  async receive(waitMs: number): Promise<Outcome> {
    const deadline = Date.now() + waitMs
    for (;;) {
      if (this.buffered.length >= 4 && this.buffered.length >= 4 + this.buffered.readInt32BE()) {
        const end = 4 + this.buffered.readInt32BE()
        const body = Buffer.from(this.buffered.subarray(4, end))
        this.buffered = this.buffered.subarray(end)
        return { kind: 'answer', body }
      }
      if (this.closed) return { kind: 'closed' }
      const left = deadline - Date.now()
      if (left <= 0) return { kind: 'silent' }
      await this.woken(left)
    }
  }

  private woken(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, waitMs)
      this.wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
