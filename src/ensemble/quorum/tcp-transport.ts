// Members over TCP (or TLS): one listening port per member, one connection per pair, dialed by the one with the higher id.
// After the handshake (`handshake.ts`) there are frames (`peer-frames.ts`); one that is too long or damaged ends the connection. What a
// peer does not take in time is bounded: its connection is closed, and it starts over. A broken connection is dialed
// again at once, then with a growing pause. One whose peer is silent is broken: after a host was cut off the system tries what it has not
// delivered ever more rarely, so that an old connection would carry nothing for as long again. Runs on the thread that made it.

import net from 'node:net'
import tls from 'node:tls'
import type { Env, Timer } from '../../env/env.js'
import type { ServerSpec } from './config.js'
import { commonVersion, decodeHello, encodeHello, HELLO_BYTES, isProof, proof, PROOF_BYTES, type Hello } from './handshake.js'
import { PROTOCOL_VERSION } from './message-codec.js'
import { frameHeader, PeerFrames } from './peer-frames.js'
import type { PeerHandler, PeerTransport } from './transport.js'

export interface TcpTransportOptions {
  readonly env: Env
  readonly memberId: number
  /** Port 0: any; `port` says which. */
  readonly listen: { readonly host: string; readonly port: number }
  /** Known to all members. */
  readonly secret: string
  /** TLS both ways; `ca` and `requestCert` make peers show certificates. */
  readonly tls?: tls.TlsOptions & tls.ConnectionOptions
  /** Bytes a peer may leave untaken. */
  readonly maxBufferedBytes?: number
  /** A peer of which nothing is heard for this long is disconnected; what has nothing to say sends an empty frame several times as often. */
  readonly deadAfterMs?: number
}

const HANDSHAKE_MS = 5000
const REDIAL_MIN_MS = 20
const REDIAL_MAX_MS = 1000
const DIAL_LIMIT_MS = 2000
const DEAD_AFTER_MS = 8000
/** Empty frames in the time after which a peer counts as dead. */
const SIGNS = 4
/** The first version in which members show that they are there. */
const SIGNS_VERSION = 2
const NOTHING = Buffer.alloc(0)
/** Connections that have not shown the secret yet. */
const MAX_STRANGERS = 64

interface Peer {
  readonly socket: net.Socket
  readonly signs: boolean
  heard: boolean
  /** Looks in a row that found nothing heard. */
  silentFor: number
}

interface Target {
  readonly server: ServerSpec
  timer: Timer | null
  pauseMs: number
  dialing: net.Socket | null
}

export class TcpTransport implements PeerTransport {
  readonly #options: TcpTransportOptions
  readonly #server: net.Server
  readonly #peers = new Map<number, Peer>()
  readonly #targets = new Map<number, Target>()
  readonly #strangers = new Set<net.Socket>()
  #handler: PeerHandler | null = null
  #looking: Timer | null = null
  #closed = false

  private constructor(options: TcpTransportOptions) {
    this.#options = options
    const accept = (socket: net.Socket): void => this.#accept(socket)
    this.#server = options.tls ? tls.createServer(options.tls, accept) : net.createServer({ noDelay: true }, accept)
    this.#server.on('tlsClientError', (error) =>
      options.env.logger.debug({ error: error.message }, 'a TLS handshake of an ensemble peer failed'),
    )
  }

  /** Listens; connections are taken once a member starts it. */
  static async listen(options: TcpTransportOptions): Promise<TcpTransport> {
    const transport = new TcpTransport(options)
    await new Promise<void>((resolve, reject) => {
      transport.#server.once('error', reject)
      transport.#server.listen(options.listen, () => {
        transport.#server.off('error', reject)
        transport.#server.on('error', (error) => options.env.logger.error({ error: error.message }, 'the ensemble port failed'))
        resolve()
      })
    })
    return transport
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port
  }

  start(handler: PeerHandler): void {
    this.#handler = handler
    for (const target of this.#targets.values()) this.#dial(target)
    const { env, deadAfterMs = DEAD_AFTER_MS } = this.#options
    this.#looking = env.timers.every(deadAfterMs / SIGNS, () => this.#look())
  }

  /** By looks, not by the clock: a thread that did not get its turn for long has not heard what is waiting for it. */
  #look(): void {
    for (const [id, peer] of this.#peers) {
      if (!peer.signs) continue
      peer.silentFor = peer.heard ? 0 : peer.silentFor + 1
      peer.heard = false
      if (peer.silentFor <= SIGNS) this.send(id, NOTHING)
      else {
        this.#options.env.logger.debug({ peer: id }, 'an ensemble peer is silent: disconnected')
        peer.socket.destroy()
      }
    }
  }

  setMembers(servers: readonly ServerSpec[]): void {
    const { memberId } = this.#options
    const known = servers.some(({ id }) => id === memberId)
    for (const server of servers) {
      // The higher id dials; who is in nobody's list has to dial himself.
      if (server.id === memberId || (known && server.id > memberId)) continue
      const old = this.#targets.get(server.id)
      if (old && old.server.host === server.host && old.server.port === server.port) continue
      if (old) this.#forget(server.id, old)
      const target: Target = { server, timer: null, pauseMs: REDIAL_MIN_MS, dialing: null }
      this.#targets.set(server.id, target)
      if (this.#handler) this.#dial(target)
    }
    for (const [id, target] of this.#targets) if (!servers.some((server) => server.id === id)) this.#forget(id, target)
  }

  #forget(id: number, target: Target): void {
    target.timer?.cancel()
    target.dialing?.destroy()
    this.#targets.delete(id)
  }

  send(to: number, bytes: Buffer): void {
    const socket = this.#peers.get(to)?.socket
    if (!socket || socket.destroyed) return
    if (!socket.writableCorked) {
      socket.cork()
      // What a turn says to a peer is one write.
      queueMicrotask(() => socket.uncork())
    }
    socket.write(frameHeader(bytes))
    socket.write(bytes)
    const limit = this.#options.maxBufferedBytes ?? 64 * 1024 * 1024
    if (socket.writableLength <= limit) return
    this.#options.env.logger.warn(
      { peer: to, buffered: socket.writableLength, limit },
      'an ensemble peer does not take its messages: disconnected',
    )
    socket.destroy()
  }

  // --- making connections ---

  #dial(target: Target): void {
    const { server } = target
    if (this.#closed || target.dialing || this.#peers.has(server.id) || this.#targets.get(server.id) !== target) return
    const { tls: secure } = this.#options
    const to = { host: server.host, port: server.port }
    const socket = secure ? tls.connect({ ...secure, ...to }) : net.connect({ ...to, noDelay: true })
    target.dialing = socket
    // A host that is cut off answers nothing, and the system would try for minutes, ever more rarely: also after it is back.
    const limit = this.#options.env.timers.after(DIAL_LIMIT_MS, () => socket.destroy())
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      limit.cancel()
      this.#greet(socket, server.id)
    })
    socket.on('error', (error) => this.#options.env.logger.debug({ peer: server.id, error: error.message }, 'ensemble connection'))
    socket.once('close', () => {
      limit.cancel()
      target.dialing = null
      this.#redial(target)
    })
  }

  #redial(target: Target): void {
    if (this.#closed || this.#targets.get(target.server.id) !== target) return
    target.timer?.cancel()
    const pause = target.pauseMs * (0.5 + this.#options.env.random.next() / 2)
    target.pauseMs = Math.min(target.pauseMs * 2, REDIAL_MAX_MS)
    target.timer = this.#options.env.timers.after(pause, () => this.#dial(target))
  }

  #greet(socket: net.Socket, peer: number): void {
    const hello = this.#hello()
    socket.write(hello)
    this.#expect(socket, HELLO_BYTES + PROOF_BYTES, (answer, rest) => {
      const theirs = answer.subarray(0, HELLO_BYTES)
      const said = decodeHello(theirs)
      const shown = isProof(answer.subarray(HELLO_BYTES), proof(this.#options.secret, 'acceptor', hello, theirs))
      if (!shown || said?.memberId !== peer)
        return this.#reject(socket, peer, shown ? 'another member listens there' : 'it does not know the secret')
      const version = commonVersion(said, this.#range)
      if (version === null) return this.#reject(socket, peer, 'no protocol version in common')
      socket.write(proof(this.#options.secret, 'dialer', hello, theirs))
      this.#connected(socket, peer, version, rest)
    })
  }

  #accept(socket: net.Socket): void {
    socket.on('error', (error) => this.#options.env.logger.debug({ error: error.message }, 'ensemble connection'))
    if (this.#closed || !this.#handler || this.#strangers.size >= MAX_STRANGERS) {
      socket.destroy()
      return
    }
    this.#strangers.add(socket)
    socket.once('close', () => this.#strangers.delete(socket))
    this.#expect(socket, HELLO_BYTES, (theirs) => {
      const said = decodeHello(theirs)
      if (!said) return this.#reject(socket, -1, 'it is no member of an ensemble')
      const { memberId, secret } = this.#options
      if (said.memberId === memberId) return this.#reject(socket, said.memberId, 'it has the number of this member')
      const version = commonVersion(said, this.#range)
      if (version === null) return this.#reject(socket, said.memberId, 'no protocol version in common')
      // Of two that dial each other the higher one's connection stays.
      if (memberId > said.memberId && this.#targets.has(said.memberId)) return this.#reject(socket, said.memberId, 'it is dialed from here')
      const hello = this.#hello()
      socket.write(Buffer.concat([hello, proof(secret, 'acceptor', theirs, hello)]))
      this.#expect(socket, PROOF_BYTES, (shown, rest) => {
        if (!isProof(shown, proof(secret, 'dialer', theirs, hello)))
          return this.#reject(socket, said.memberId, 'it does not know the secret')
        this.#strangers.delete(socket)
        this.#connected(socket, said.memberId, version, rest)
      })
    })
  }

  get #range(): Hello {
    return { lowest: 1, highest: PROTOCOL_VERSION, memberId: this.#options.memberId }
  }

  #hello(): Buffer {
    return encodeHello(this.#range, this.#options.env.random.bytes(32))
  }

  #reject(socket: net.Socket, peer: number, why: string): void {
    this.#options.env.logger.warn({ peer, address: socket.remoteAddress, why }, 'an ensemble connection is refused')
    socket.destroy()
  }

  /** Gathers `count` bytes and no more than the peer may send ahead. */
  #expect(socket: net.Socket, count: number, then: (bytes: Buffer, rest: Buffer) => void): void {
    let gathered: Buffer = Buffer.alloc(0)
    const timer = this.#options.env.timers.after(HANDSHAKE_MS, () => socket.destroy())
    const onData = (bytes: Buffer): void => {
      gathered = gathered.length === 0 ? bytes : Buffer.concat([gathered, bytes])
      if (gathered.length < count) return
      socket.off('data', onData)
      socket.pause()
      timer.cancel()
      const rest = gathered.subarray(count)
      then(gathered.subarray(0, count), rest)
    }
    socket.on('data', onData)
    socket.once('close', () => timer.cancel())
    socket.resume()
  }

  #connected(socket: net.Socket, peer: number, version: number, rest: Buffer): void {
    const handler = this.#handler
    if (this.#closed || !handler) {
      socket.destroy()
      return
    }
    const old = this.#peers.get(peer)
    const connected: Peer = { socket, signs: version >= SIGNS_VERSION, heard: true, silentFor: 0 }
    this.#peers.set(peer, connected)
    if (old) {
      handler.onPeer(peer, false)
      old.socket.destroy()
    }
    const target = this.#targets.get(peer)
    if (target) target.pauseMs = REDIAL_MIN_MS
    socket.once('close', () => this.#gone(socket, peer))
    const frames = new PeerFrames((bytes) => {
      if (bytes.length > 0 && this.#peers.get(peer) === connected) handler.onMessage(peer, bytes)
    })
    const read = (bytes: Buffer): void => {
      connected.heard = true
      const problem = frames.read(bytes)
      if (problem === null) return
      this.#options.env.logger.warn({ peer, problem }, 'an ensemble peer sent what is no frame: disconnected')
      socket.destroy()
    }
    handler.onPeer(peer, true)
    if (rest.length > 0) read(rest)
    socket.on('data', read)
    socket.resume()
  }

  #gone(socket: net.Socket, peer: number): void {
    if (this.#peers.get(peer)?.socket !== socket) return
    this.#peers.delete(peer)
    if (!this.#closed) this.#handler?.onPeer(peer, false)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#looking?.cancel()
    for (const [id, target] of this.#targets) this.#forget(id, target)
    // What was said last (a session's end, say) goes out before the connection does.
    for (const { socket } of this.#peers.values()) {
      socket.destroySoon()
      this.#options.env.timers.after(500, () => socket.destroy())
    }
    for (const socket of this.#strangers) socket.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}
