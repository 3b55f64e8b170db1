// Large answers leave by threads of the addon beside this one (`native/segment/src/transfer.rs`), which wait for room in the sockets and for the
// disk, while this one goes on serving requests. One of these for each thread that has connections.

import { native, type NativeTransfers } from '../../log/native.js'
import type { AnswerTransfer } from './response-writer.js'

export class Transfers {
  private readonly native: NativeTransfers
  private readonly ends = new Map<number, (bytes: number) => void>()
  private readonly threads: () => number

  /** `threads`: num.network.threads, asked for each socket. */
  constructor(threads: () => number) {
    const { ends } = this
    this.threads = threads
    this.native = new (native().Transfers)((socket, bytes) => {
      const ended = ends.get(socket)
      ends.delete(socket)
      ended?.(bytes)
    })
  }

  /** Undefined: the system has no such threads, or no descriptor is left. */
  open(descriptor: number): AnswerTransfer | undefined {
    const socket = this.native.open(descriptor, this.threads())
    return socket < 0 ? undefined : new SocketTransfer(this.native, socket, this.ends)
  }
}

class SocketTransfer implements AnswerTransfer {
  private readonly native: NativeTransfers
  private readonly socket: number
  private readonly ends: Map<number, (bytes: number) => void>

  constructor(nativeTransfers: NativeTransfers, socket: number, ends: Map<number, (bytes: number) => void>) {
    this.native = nativeTransfers
    this.socket = socket
    this.ends = ends
  }

  addBytes(bytes: Uint8Array): void {
    this.native.addBytes(this.socket, bytes)
  }

  addSegment(handle: number, position: number, length: number): boolean {
    return this.native.addSegment(this.socket, handle, position, length)
  }

  begin(ended: (bytes: number) => void): void {
    this.ends.set(this.socket, ended)
    this.native.begin(this.socket)
  }

  get moved(): number {
    return this.native.moved(this.socket)
  }

  close(): void {
    this.ends.delete(this.socket)
    this.native.close(this.socket)
  }
}
