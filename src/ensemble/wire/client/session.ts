// One ZooKeeper session over TCP or TLS, from server to server: its connections, and the requests on them, of whatever kind. Runs on the
// thread that opened it (the thread coordinator).
//
//   connected    requests are sent as they come, answered in order by xid
//   suspended    no server: requests wait in a bounded queue, at most for the session's timeout; servers are tried in turn
//   expired      a server said that the session is gone: everything rejects with sessionExpired, the object is of no more use
//   closed       by `close`, or because an authentication was refused
//
// What was in flight when a connection broke rejects with connectionLoss: the caller reads back and decides. On each new connection go
// out, in this order: authentication, setWatches2 in chunks, what waits.

import type { ConnectionOptions } from 'node:tls'
import type { Env, Timer } from '../../../env/env.js'
import { Opcode, ZkCode } from '../../tree/codes.js'
import { EventType, type WatchEvent } from '../../tree/types.js'
import { ZnodeError, type ClientState } from '../../znode-client.js'
import { codecOf, reader, writer } from '../jute/codec.js'
import * as records from '../jute/records.js'
import { ClientConnection, type Handshake } from './connection.js'
import type { ConnectString } from './connect-string.js'
import type { Request } from './requests.js'
import { WatchRegistry } from './watch-registry.js'
import { Xid } from '../xids.js'

const requestHeader = codecOf(records.RequestHeader)
const authPacket = codecOf(records.AuthPacket)
const setWatches2 = codecOf(records.SetWatches2)
const watcherEvent = codecOf(records.WatcherEvent)

/** jute.maxbuffer: what a server takes in one request. */
const MAX_REQUEST_BYTES = 0xfffff
const MAX_BACKOFF_MS = 1000

export interface ClientSessionOptions {
  readonly env: Env
  /** Tried in turn, from one drawn at random. */
  readonly servers: ConnectString['servers']
  /** What is asked for; the server has the last word. */
  readonly sessionTimeoutMs: number
  /** `user:password` of the digest scheme, and others as they are. */
  readonly auth?: readonly { readonly scheme: string; readonly auth: string }[]
  readonly tls?: ConnectionOptions
  /** Requests that wait or are in flight, above which a new one is refused (throttledOp). */
  readonly maxOutstanding?: number
  /** The largest answer taken. */
  readonly maxResponseBytes?: number
}

interface Pending {
  readonly request: Request<unknown>
  readonly path: string | null
  readonly resolve: (value: unknown, zxid: bigint) => void
  readonly reject: (error: ZnodeError) => void
  xid: number
  sentAt: number
}

export class ClientSession {
  /** Armed again on each new connection. The paths are the server's. */
  readonly watches = new WatchRegistry()
  readonly #options: ClientSessionOptions
  readonly #env: Env
  readonly #servers: ConnectString['servers']
  /** A path as whoever watches it knows it. */
  readonly #localPath: (path: string) => string
  readonly #listeners = new Set<(state: ClientState) => void>()
  #state: ClientState = 'suspended'
  #handshake: Handshake
  #connection: ClientConnection | null = null
  #nextServer = 0
  #failures = 0
  #retry: Timer | null = null
  #giveUp: Timer | null = null
  #xid = 0
  #waiting: Pending[] = []
  #inFlight: Pending[] = []
  #confirmedAt = 0
  #opened: { resolve: () => void; reject: (error: Error) => void } | null = null
  #lastReason = 'not tried'

  constructor(options: ClientSessionOptions, localPath: (path: string) => string) {
    this.#options = options
    this.#env = options.env
    this.#localPath = localPath
    this.#servers = shuffled(options.servers, () => options.env.random.next())
    this.#handshake = { lastZxidSeen: 0n, sessionId: 0n, password: new Uint8Array(16), timeoutMs: options.sessionTimeoutMs }
  }

  /** Resolves with the first connection; rejects, and is closed, when none comes about within `limitMs`. */
  async open(limitMs: number): Promise<void> {
    const opened = new Promise<void>((resolve, reject) => {
      this.#opened = { resolve, reject }
    })
    const limit = this.#env.timers.after(limitMs, () => {
      const tried = this.#options.servers.map(({ host, port }) => `${host}:${port}`).join(',')
      this.#opened?.reject(
        new ZnodeError(
          ZkCode.connectionLoss,
          null,
          [],
          `no ZooKeeper session at ${tried} within ${limitMs} ms (last tried ${this.#lastReason}): check that ZooKeeper runs there and the address is right (zookeeper.connect), or allow more time (zookeeper.connection.timeout.ms)`,
        ),
      )
      this.finish('closed', ZkCode.connectionLoss)
    })
    this.#connect()
    try {
      await opened
    } finally {
      limit.cancel()
      this.#opened = null
    }
  }

  get sessionId(): bigint {
    return this.#handshake.sessionId
  }

  get state(): ClientState {
    return this.#state
  }

  /** What the server granted. */
  get timeoutMs(): number {
    return this.#handshake.timeoutMs
  }

  onState(listener: (state: ClientState) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Counted from when the newest answered request was SENT: the server heard of us then at the earliest. */
  mayActUntil(): number {
    if (this.#state === 'expired' || this.#state === 'closed') return 0
    return this.#confirmedAt + (this.#handshake.timeoutMs * 2) / 3
  }

  /** `path` is for errors. */
  call<T>(path: string | null, of: Request<T>): Promise<T> {
    return new Promise((resolve, reject) => this.enqueue(path, of, resolve, reject))
  }

  /** As `call`, settled while the answer is read: what stands behind it in the same chunk comes after. */
  enqueue<T>(path: string | null, of: Request<T>, resolve: (value: T, zxid: bigint) => void, reject: (error: ZnodeError) => void): void {
    if (this.#state === 'expired' || this.#state === 'closed') return reject(new ZnodeError(ZkCode.sessionExpired, path))
    if (this.#waiting.length + this.#inFlight.length >= (this.#options.maxOutstanding ?? 10_000)) {
      return reject(new ZnodeError(ZkCode.throttledOp, path))
    }
    const pending: Pending = { request: of, path, resolve: resolve as Pending['resolve'], reject, xid: 0, sentAt: 0 }
    if (this.#state === 'connected') return this.#send(pending, this.#connection!)
    this.#waiting.push(pending)
    this.#armGiveUp()
  }

  /** The end, one way or the other: what waits is rejected with `code`. */
  finish(state: 'expired' | 'closed', code: number): void {
    if (this.#state === 'expired' || this.#state === 'closed') return
    const pending = [...this.#inFlight, ...this.#waiting]
    this.#inFlight = []
    this.#waiting = []
    this.#retry?.cancel()
    this.#giveUp?.cancel()
    this.#setState(state)
    for (const each of pending) each.reject(new ZnodeError(code, each.path))
    this.#opened?.reject(new ZnodeError(code, null))
    this.#connection?.close(state)
  }

  #connect(): void {
    this.#retry = null
    const server = this.#servers[this.#nextServer++ % this.#servers.length]!
    const { env, tls, sessionTimeoutMs, maxResponseBytes } = this.#options
    const connectTimeoutMs = Math.max(200, (sessionTimeoutMs * 2) / 3 / this.#servers.length)
    let lost = false
    const connection = new ClientConnection(
      { env, server, tls, connectTimeoutMs, maxFrameBytes: maxResponseBytes ?? 64 * 1024 * 1024 },
      this.#handshake,
      {
        established: (handshake) => this.#established(handshake, connection),
        reply: (xid, zxid, err) => this.#reply(xid, zxid, err),
        confirmed: (sentAt) => (this.#confirmedAt = Math.max(this.#confirmedAt, sentAt)),
        lost: (reason) => {
          if (lost) return
          lost = true
          this.#lost(`${server.host}:${server.port}: ${reason}`)
        },
      },
    )
    this.#connection = connection
  }

  #established(handshake: Handshake, connection: ClientConnection): void {
    if (handshake.timeoutMs <= 0) return this.finish('expired', ZkCode.sessionExpired)
    this.#handshake = { ...handshake, lastZxidSeen: this.#handshake.lastZxidSeen }
    this.#failures = 0
    this.#giveUp?.cancel()
    this.#giveUp = null
    for (const { scheme, auth } of this.#options.auth ?? []) {
      connection.send((w) => {
        requestHeader.write(w, { xid: Xid.auth, type: Opcode.auth })
        authPacket.write(w, { type: 0, scheme, auth: Buffer.from(auth) })
      })
    }
    const relativeZxid = this.#handshake.lastZxidSeen
    for (const chunk of this.watches.chunks()) {
      connection.send((w) => {
        requestHeader.write(w, { xid: Xid.setWatches, type: Opcode.setWatches2 })
        setWatches2.write(w, {
          relativeZxid,
          dataWatches: chunk.data,
          existWatches: chunk.exist,
          childWatches: chunk.children,
          persistentWatches: chunk.persistent,
          persistentRecursiveWatches: chunk.recursive,
        })
      })
    }
    const waiting = this.#waiting
    this.#waiting = []
    for (const pending of waiting) this.#send(pending, connection)
    this.#setState('connected')
    this.#opened?.resolve()
  }

  #lost(reason: string): void {
    this.#connection = null
    this.#lastReason = reason
    const failed = this.#inFlight
    this.#inFlight = []
    if (this.#state === 'expired' || this.#state === 'closed') return
    this.#env.logger.debug({ reason, session: `0x${this.sessionId.toString(16)}` }, 'the connection to ZooKeeper is lost')
    this.#setState('suspended')
    for (const pending of failed) pending.reject(new ZnodeError(ZkCode.connectionLoss, pending.path))
    if (this.#waiting.length > 0) this.#armGiveUp()
    // A whole round of servers at once, then with pauses that grow.
    const round = Math.floor(this.#failures++ / this.#servers.length)
    const pause = round === 0 ? 0 : Math.min(MAX_BACKOFF_MS, 25 * 2 ** round) * (0.5 + this.#env.random.next() / 2)
    this.#retry = this.#env.timers.after(pause, () => this.#connect())
  }

  #armGiveUp(): void {
    this.#giveUp ??= this.#env.timers.after(this.#handshake.timeoutMs, () => {
      this.#giveUp = null
      const waiting = this.#waiting
      this.#waiting = []
      for (const pending of waiting) pending.reject(new ZnodeError(ZkCode.connectionLoss, pending.path))
    })
  }

  #setState(state: ClientState): void {
    if (this.#state === state) return
    this.#state = state
    for (const listener of this.#listeners) listener(state)
  }

  #send(pending: Pending, connection: ClientConnection): void {
    pending.xid = this.#xid = this.#xid === 0x7fffffff ? 1 : this.#xid + 1
    let tooLarge = false
    pending.sentAt = connection.send((w) => {
      w.int(pending.xid)
      w.int(pending.request.opcode)
      pending.request.write(w)
      tooLarge = writer.size - 4 > MAX_REQUEST_BYTES
      // A server would drop the connection; a ping stands in for what may not be sent.
      if (tooLarge) {
        w.truncate(4)
        w.int(Xid.ping)
        w.int(Opcode.ping)
      }
    })
    if (tooLarge) pending.reject(new ZnodeError(ZkCode.badArguments, pending.path))
    else this.#inFlight.push(pending)
  }

  #reply(xid: number, zxid: bigint, err: number): void {
    if (xid === Xid.event) return this.#event(zxid)
    if (zxid > this.#handshake.lastZxidSeen) this.#handshake = { ...this.#handshake, lastZxidSeen: zxid }
    if (xid === Xid.setWatches) {
      if (err !== ZkCode.ok) this.#connection?.close(`watches could not be armed again: ${err}`)
      return
    }
    if (xid === Xid.auth) {
      if (err !== ZkCode.ok) this.finish('closed', ZkCode.authFailed)
      return
    }
    const pending = this.#inFlight[0]
    if (!pending || pending.xid !== xid) return this.#connection?.close(`answer ${xid} where ${pending?.xid ?? 'none'} was due`)
    this.#inFlight.shift()
    this.#confirmedAt = Math.max(this.#confirmedAt, pending.sentAt)
    if (err === ZkCode.sessionExpired) {
      pending.reject(new ZnodeError(err, pending.path))
      return this.finish('expired', err)
    }
    if (err !== ZkCode.ok) return pending.reject(new ZnodeError(err, pending.path))
    pending.resolve(pending.request.read(reader), zxid)
  }

  #event(zxid: bigint): void {
    const { type, path } = watcherEvent.read(reader)
    // "None" tells of the connection itself, which is known here.
    if (type < EventType.created || type > EventType.childrenChanged) return
    const callbacks = this.watches.take({ type: type as EventType, path, zxid })
    const event: WatchEvent = { type: type as EventType, path: this.#localPath(path), zxid }
    for (const callback of callbacks) callback(event)
  }
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const out = [...items]
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[out[i], out[j]] = [out[j]!, out[i]!]
  }
  return out
}
