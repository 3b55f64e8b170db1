// The dialing end of links: one WebSocket per peer, made again with a growing, jittered delay for as long as the peer is wanted.
// Runs on the link thread.

import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import type { Env, Timer } from '../env/env.js'
import { LinkConnection } from './connection.js'
import { MAX_FRAME } from './frames.js'
import { type CertificateProver, DialerHandshake, type LinkIdentity, type Refusal } from './handshake.js'
import type { LinkRouter } from './router.js'
import type { LinkTransport } from './session.js'
import type { LinkSettings, LinkTls, PeerAddress } from './settings.js'
import { WebSocketClient } from './websocket-client.js'

export interface DialersOptions {
  readonly env: Env
  readonly settings: LinkSettings
  readonly identity: LinkIdentity
  readonly tls: LinkTls | null
  readonly certificates: CertificateProver
  readonly router: LinkRouter
  readonly scratch: Uint8Array
}

/** All peers that shall be dialed. */
export class Dialers {
  private readonly options: DialersOptions
  private readonly dialers = new Map<number, Dialer>()

  constructor(options: DialersOptions) {
    this.options = options
  }

  set(peers: ReadonlyMap<number, PeerAddress>): void {
    for (const [peer, dialer] of this.dialers) {
      const address = peers.get(peer)
      if (address && address.host === dialer.address.host && address.port === dialer.address.port) continue
      this.dialers.delete(peer)
      dialer.close(address ? 'the peer has another address' : 'the peer is not of this cluster any more')
    }
    for (const [peer, address] of peers) {
      if (peer === this.options.identity.nodeId || this.dialers.has(peer)) continue
      this.dialers.set(peer, new Dialer(this.options, peer, address))
    }
  }

  close(): void {
    this.set(new Map())
  }
}

class Dialer {
  readonly address: PeerAddress
  private readonly options: DialersOptions
  private readonly peer: number
  private connection: LinkConnection | undefined
  private socket: WebSocketClient | undefined
  private retry: Timer | undefined
  private failures = 0
  private lastReason = ''
  private closed = false

  constructor(options: DialersOptions, peer: number, address: PeerAddress) {
    this.options = options
    this.peer = peer
    this.address = address
    this.dial()
  }

  close(reason: string): void {
    this.closed = true
    this.retry?.cancel()
    this.connection?.close(reason)
    this.socket?.terminate()
  }

  private dial(): void {
    const { env, settings, tls } = this.options
    // This socket's own: what a socket that was given up still brings must not reach the connection that took its place.
    let connection: LinkConnection | undefined
    const socket = new WebSocketClient(
      { ...this.address, path: '/link', tls: tls ? clientTls(tls) : null, maxMessageBytes: MAX_FRAME },
      {
        open: () => {
          late.cancel()
          connection = this.opened(socket)
        },
        room: (head, bytes) => connection?.room(head, bytes),
        message: (bytes) => connection?.receive(bytes),
        drained: () => connection?.pump(),
        closed: (reason) => {
          late.cancel()
          if (connection) connection.close(reason)
          else this.ended(reason)
        },
      },
    )
    this.socket = socket
    const late = env.timers.after(settings.handshakeTimeoutMs, () =>
      socket.terminate(`no WebSocket opened within ${settings.handshakeTimeoutMs} ms (link handshakeTimeoutMs)`),
    )
  }

  private opened(socket: WebSocketClient): LinkConnection | undefined {
    if (this.closed) {
      socket.terminate()
      return undefined
    }
    const { env, settings, identity, certificates, router, scratch } = this.options
    const handshake = new DialerHandshake(identity, this.peer, certificates)
    const transport = new DialerTransport(socket)
    const connection: LinkConnection = new LinkConnection({
      env,
      settings,
      scratch,
      transport,
      handshake,
      events: {
        authenticated: () => {
          this.failures = 0
          this.lastReason = ''
          env.logger.info({ peer: this.peer, ...this.address }, 'linked to a node')
          router.linkUp(connection, this.peer)
        },
        refused: (refusal, told) => this.refused(refusal, told),
        items: (items, frame) => router.received(connection.id, items, frame),
        room: (correlation, bytes) => router.room(connection.id, correlation, bytes),
        drained: () => router.drained(connection.id),
        closed: (reason) => {
          router.linkDown(connection.id, reason)
          if (this.connection === connection) this.connection = undefined
          this.ended(reason)
        },
      },
    })
    this.connection = connection
    transport.send(handshake.start(env.random.bytes(32)))
    return connection
  }

  /** Once for each reason: the next attempts will end the same way until somebody acts. */
  private refused({ text }: Refusal, told: boolean): void {
    const { env } = this.options
    if (text !== this.lastReason)
      env.logger.warn({ peer: this.peer, ...this.address, reason: text, by: told ? 'peer' : 'this node' }, 'a link was refused')
    this.lastReason = text
    // Trying often helps nobody.
    this.failures = Math.max(this.failures, 10)
  }

  private ended(reason: string): void {
    this.socket = undefined
    if (this.closed) return
    const { env, settings } = this.options
    const ceiling = Math.min(settings.reconnectMaxMs, settings.reconnectMinMs * 2 ** this.failures)
    // Half of it is random, so that nodes that lost each other at once do not come back at once.
    const delayMs = ceiling * (0.5 + env.random.next() / 2)
    if (reason !== this.lastReason)
      env.logger.info({ peer: this.peer, ...this.address, reason, delayMs }, 'no link to a node; it is dialed again')
    this.lastReason = reason
    this.failures++
    this.retry = env.timers.after(delayMs, () => this.dial())
  }
}

function clientTls(tls: LinkTls): ConnectionOptions {
  return {
    key: readFileSync(tls.keyFile),
    cert: readFileSync(tls.certFile),
    ...(tls.caFile === undefined ? {} : { ca: readFileSync(tls.caFile) }),
    ...(tls.passphrase === undefined ? {} : { passphrase: tls.passphrase }),
    ...(tls.verifyHost === false ? { checkServerIdentity: () => undefined } : {}),
  }
}

class DialerTransport implements LinkTransport {
  private readonly socket: WebSocketClient

  constructor(socket: WebSocketClient) {
    this.socket = socket
  }

  send(frame: Uint8Array): boolean {
    return this.socket.send(frame)
  }

  get buffered(): number {
    return this.socket.buffered
  }

  cork(work: () => void): void {
    this.socket.cork(work)
  }

  close(gracefully: boolean): void {
    if (gracefully) this.socket.close()
    else this.socket.terminate()
  }
}
