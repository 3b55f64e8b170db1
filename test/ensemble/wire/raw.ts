// A connection that sends and shows bytes: what no client would send, and golden frames.

import { connect, type Socket } from 'node:net'
import { FrameReader } from '../../../src/ensemble/wire/frame-reader.js'
import { codecOf, reader, writer } from '../../../src/ensemble/wire/jute/codec.js'
import * as records from '../../../src/ensemble/wire/jute/records.js'
import type { JuteRecord, ShapeOf } from '../../../src/ensemble/wire/jute/schema.js'

export interface Answer {
  readonly xid: number
  readonly zxid: bigint
  readonly err: number
  /** What follows the header. */
  readonly rest: Buffer
}

export class RawConnection {
  readonly socket: Socket
  readonly #frames = new FrameReader(1 << 26)
  readonly #arrived: Buffer[] = []
  #text = ''
  #ended = false
  #wake: (() => void) | null = null

  constructor(address: string, socket = connect(Number(address.split(':')[1]), address.split(':')[0])) {
    this.socket = socket
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1')
      this.#frames.push(chunk)
      while (this.#frames.next() === 'frame')
        this.#arrived.push(Buffer.from(this.#frames.bytes.subarray(this.#frames.start, this.#frames.end)))
      this.#wake?.()
    })
    socket.on('close', () => {
      this.#ended = true
      this.#wake?.()
    })
  }

  /** The next frame without its length; null when the connection ended. */
  async frame(): Promise<Buffer | null> {
    for (;;) {
      const frame = this.#arrived.shift()
      if (frame) return frame
      if (this.#ended) return null
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  async answer(): Promise<Answer | null> {
    const frame = await this.frame()
    return frame && { xid: frame.readInt32BE(0), zxid: frame.readBigInt64BE(4), err: frame.readInt32BE(12), rest: frame.subarray(16) }
  }

  /** All that came, as text, once the connection ended. */
  async text(): Promise<string> {
    while (!this.#ended) await new Promise<void>((resolve) => (this.#wake = resolve))
    return this.#text
  }

  hello(more: Partial<ShapeOf<typeof records.ConnectRequest>> = {}, readOnly: boolean | null = false): void {
    const request = { protocolVersion: 0, lastZxidSeen: 0n, timeOut: 4000, sessionId: 0n, passwd: new Uint8Array(16), ...more }
    writer.begin()
    codecOf(records.ConnectRequest).write(writer, request)
    if (readOnly !== null) writer.bool(readOnly)
    this.socket.write(Buffer.from(writer.finish()))
  }

  async session(more: Partial<ShapeOf<typeof records.ConnectRequest>> = {}, readOnly: boolean | null = false) {
    this.hello(more, readOnly)
    const frame = await this.frame()
    if (!frame) return null
    return { ...read(records.ConnectResponse, frame), size: frame.length, readOnly: frame.length === 37 ? frame[36] === 1 : null }
  }

  send<R extends JuteRecord>(xid: number, opcode: number, of?: R, value?: ShapeOf<R>): void {
    writer.begin()
    writer.int(xid)
    writer.int(opcode)
    if (of) codecOf(of).write(writer, value as never)
    this.socket.write(Buffer.from(writer.finish()))
  }

  async ask<R extends JuteRecord>(xid: number, opcode: number, of?: R, value?: ShapeOf<R>): Promise<Answer | null> {
    this.send(xid, opcode, of, value)
    return this.answer()
  }

  close(): void {
    this.socket.destroy()
  }
}

export function read<R extends JuteRecord>(of: R, bytes: Buffer): ShapeOf<R> {
  reader.reset(bytes, 0, bytes.length)
  return codecOf(of).read(reader)
}
