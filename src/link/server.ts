// The listening end of links: a uWebSockets.js app with one WebSocket route. It must be closed before its thread ends, or the process aborts.
// Runs on the link thread.

import uws from 'uWebSockets.js'
import type { Env } from '../env/env.js'
import { native } from '../log/native.js'
import { LinkConnection } from './connection.js'
import { MAX_FRAME } from './frames.js'
import { type CertificateProver, type LinkIdentity, ServerHandshake } from './handshake.js'
import type { LinkRouter } from './router.js'
import type { LinkTransport } from './session.js'
import type { LinkSettings, LinkTls, PeerAddress } from './settings.js'

interface SocketData {
  connection: LinkConnection | undefined
}
type Socket = uws.WebSocket<SocketData>

/** Never reached: a session stops at its credit and at what the transport holds. A send beyond it is a broken link. */
const MAX_BACKPRESSURE = 8 << 20

/**
 * A socket of this thread is read. Nothing is sent meanwhile: uWebSockets.js keeps what it has read and not decrypted yet once for all sockets of a
 * thread, and forgets it at a send over TLS.
 */
let isReading = false

export interface LinkServerOptions {
  readonly env: Env
  readonly settings: LinkSettings
  readonly identity: LinkIdentity
  readonly tls: LinkTls | null
  readonly certificates: CertificateProver
  readonly router: LinkRouter
  readonly scratch: Uint8Array
}

export class LinkServer {
  private readonly options: LinkServerOptions
  private readonly app: uws.TemplatedApp
  private readonly connections = new Set<LinkConnection>()
  /** One link per dialing node: a newer one means that the older is dead and we have not noticed. */
  private readonly byPeer = new Map<number, LinkConnection>()
  private unauthenticated = 0
  /** Handshakes refused here. */
  refused = 0
  private refusedAt = Number.NEGATIVE_INFINITY

  constructor(options: LinkServerOptions) {
    this.options = options
    const { tls } = options
    this.app = tls ? uws.SSLApp(appOptions(tls)) : uws.App()
    this.app.ws<SocketData>('/link', {
      maxPayloadLength: MAX_FRAME,
      maxBackpressure: MAX_BACKPRESSURE,
      compression: uws.DISABLED,
      idleTimeout: 0,
      sendPingsAutomatically: false,
      upgrade: (response, request, context) => this.upgrade(response, request, context),
      open: (socket) => this.opened(socket),
      message: (socket, message) => this.received(socket, message),
      drain: (socket) => socket.getUserData().connection?.pump(),
      close: (socket) => this.closed(socket),
    })
    this.app.any('/*', (response) => void response.writeStatus('404 Not Found').end('the link between nodes is a WebSocket at /link\n'))
  }

  /**
   * The addon binds the port alone first, so that one of another process is an error; uWebSockets.js, told to do so, would refuse a port whose old
   * connections the kernel still remembers, for a minute after a restart. The addon's socket shares the port until the app has it.
   */
  async listen({ host, port }: PeerAddress): Promise<number> {
    const [descriptor, bound] = native().listenSocket(host, port, 16, true)
    try {
      await new Promise<void>((resolve, reject) => {
        this.app.listen(host, bound, (socket) => {
          if (socket) resolve()
          else reject(new Error(`cannot listen for links on ${host}:${bound}`))
        })
      })
    } finally {
      native().closeDescriptor(descriptor)
    }
    return bound
  }

  close(): void {
    for (const connection of this.connections) connection.close('the node closes')
    this.app.close()
  }

  private upgrade(response: uws.HttpResponse, request: uws.HttpRequest, context: uws.us_socket_context_t): void {
    const { settings, env } = this.options
    if (this.unauthenticated >= settings.maxUnauthenticated) {
      response.writeStatus('503 Service Unavailable').end('too many connections that have not proved who they are\n')
      const now = env.clock.monotonic()
      if (now - this.refusedAt > 10_000)
        env.logger.warn(
          { limit: settings.maxUnauthenticated },
          'links refused: too many connections have not proved who they are (link maxUnauthenticated)',
        )
      this.refusedAt = now
      return
    }
    const header = (name: string): string => request.getHeader(name)
    const data: SocketData = { connection: undefined }
    response.upgrade(data, header('sec-websocket-key'), header('sec-websocket-protocol'), header('sec-websocket-extensions'), context)
  }

  private opened(socket: Socket): void {
    const { env, settings, identity, certificates, router, scratch } = this.options
    const address = Buffer.from(socket.getRemoteAddressAsText()).toString()
    this.unauthenticated++
    const connection: LinkConnection = new LinkConnection({
      env,
      settings,
      scratch,
      transport: new ServerTransport(socket),
      handshake: new ServerHandshake(identity, env.random.bytes(32), certificates),
      events: {
        authenticated: ({ peer }) => {
          this.unauthenticated--
          const before = this.byPeer.get(peer)
          this.byPeer.set(peer, connection)
          before?.close(`node ${peer} made another link`)
          env.logger.info({ peer, address }, 'a node linked to this one')
          router.linkUp(connection, null)
        },
        refused: ({ text }) => {
          this.refused++
          env.logger.warn({ address, reason: text }, 'a link was refused')
        },
        items: (items) => router.received(connection.id, items),
        drained: () => router.drained(connection.id),
        closed: (reason) => {
          this.connections.delete(connection)
          if (!connection.authenticated) this.unauthenticated--
          else {
            const { peer } = connection.session.agreed
            if (this.byPeer.get(peer) === connection) this.byPeer.delete(peer)
            env.logger.info({ peer, reason }, 'a link from a node ended')
          }
          router.linkDown(connection.id, reason)
        },
      },
    })
    this.connections.add(connection)
    socket.getUserData().connection = connection
  }

  private received(socket: Socket, message: ArrayBuffer): void {
    isReading = true
    try {
      socket.getUserData().connection?.receive(new Uint8Array(message))
    } finally {
      isReading = false
    }
  }

  private closed(socket: Socket): void {
    const { connection } = socket.getUserData()
    socket.getUserData().connection = undefined
    connection?.close('the connection was closed')
  }
}

function appOptions(tls: LinkTls): uws.AppOptions {
  return {
    key_file_name: tls.keyFile,
    cert_file_name: tls.certFile,
    ...(tls.caFile === undefined ? {} : { ca_file_name: tls.caFile }),
    ...(tls.passphrase === undefined ? {} : { passphrase: tls.passphrase }),
  }
}

/** A socket must not be touched once it was closed. */
class ServerTransport implements LinkTransport {
  private readonly socket: Socket
  private held: Uint8Array[] = []

  constructor(socket: Socket) {
    this.socket = socket
  }

  private get open(): boolean {
    return this.socket.getUserData().connection !== undefined
  }

  send(frame: Uint8Array): boolean {
    if (!this.open) return false
    if (!isReading && this.held.length === 0) return this.socket.send(frame, true, false) !== 2
    // Before a close that follows: that one waits as long.
    if (this.held.length === 0) setImmediate(() => this.sendHeld())
    this.held.push(Uint8Array.from(frame))
    return true
  }

  private sendHeld(): void {
    const { held } = this
    this.held = []
    this.cork(() => {
      for (const frame of held) if (!this.send(frame)) return this.close(false)
    })
  }

  get buffered(): number {
    return this.open ? this.socket.getBufferedAmount() : 0
  }

  cork(work: () => void): void {
    if (this.open) this.socket.cork(work)
  }

  /** Behind the call that got here: it may be one of this very socket's handlers. */
  close(gracefully: boolean): void {
    setImmediate(() => {
      if (!this.open) return
      if (gracefully) this.socket.end(1000)
      else this.socket.close()
    })
  }
}
