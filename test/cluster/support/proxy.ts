// A way to an address of this machine for hosts that cannot reach it themselves (network.ts): bytes are passed on, both ways. When a host is cut
// off, its end falls silent and the other end is not told, as between two machines.

import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { dial } from './dial.js'

export class TcpProxy {
  readonly address: string
  readonly #server: Server
  readonly #sockets: Set<Socket>

  private constructor(address: string, server: Server, sockets: Set<Socket>) {
    this.address = address
    this.#server = server
    this.#sockets = sockets
  }

  /** Listens on any port of `host`. */
  static async listen(host: string, target: string): Promise<TcpProxy> {
    const sockets = new Set<Socket>()
    const server = createServer((from) => {
      const to = dial(target)
      for (const [socket, other] of [
        [from, to],
        [to, from],
      ] as const) {
        sockets.add(socket)
        socket.setNoDelay()
        socket.pipe(other)
        socket.on('error', () => other.destroy())
        socket.on('close', () => {
          sockets.delete(socket)
          other.destroy()
        })
      }
    })
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, host, resolve))
    return new TcpProxy(`${host}:${(server.address() as AddressInfo).port}`, server, sockets)
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}
