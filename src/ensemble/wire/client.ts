// The broker's own ZooKeeper client: one session over TCP or TLS to any ZooKeeper ensemble, embedded or Apache's. Runs on the thread that
// opened it (the thread coordinator).
//
//   connected    requests are sent as they come, answered in order by xid
//   suspended    no server: requests wait in a bounded queue, at most for the session's timeout; servers are tried in turn
//   expired      a server said that the session is gone: everything rejects with sessionExpired, the object is of no more use
//   closed       by `close`, or because an authentication was refused
//
// What was in flight when a connection broke rejects with connectionLoss: the caller reads back and decides. On each new connection go
// out, in this order: authentication, setWatches2 in chunks, what waits.

import type { ConnectionOptions } from 'node:tls'
import type { Env, Timer } from '../../env/env.js'
import { Opcode, ZkCode } from '../tree/codes.js'
import { EventType, type Stat, type WatchEvent } from '../tree/types.js'
import {
  ZnodeError,
  type ClientState,
  type CreateOptions,
  type MultiOp,
  type MultiResult,
  type NodeData,
  type Watch,
  type WatchCallback,
  type ZnodeClient,
} from '../znode-client.js'
import { ClientConnection, type Handshake } from './client/connection.js'
import { parseConnectString, type ConnectString } from './client/connect-string.js'
import { createOf, multiOf, request, type Request } from './client/requests.js'
import { WatchRegistry, type RegisteredKind } from './client/watch-registry.js'
import { codecOf, reader, writer } from './jute/codec.js'
import * as records from './jute/records.js'

const requestHeader = codecOf(records.RequestHeader)
const authPacket = codecOf(records.AuthPacket)
const setWatches2 = codecOf(records.SetWatches2)
const watcherEvent = codecOf(records.WatcherEvent)
const pathRecord = codecOf(records.PathRecord)
const pathWatch = codecOf(records.PathWatch)
const pathVersion = codecOf(records.PathVersion)
const pathMode = codecOf(records.PathMode)
const setDataRequest = codecOf(records.SetDataRequest)
const statResponse = codecOf(records.StatResponse)
const getDataResponse = codecOf(records.GetDataResponse)
const getChildren2Response = codecOf(records.GetChildren2Response)

const EVENT_XID = -1
const AUTH_XID = -4
const SET_WATCHES_XID = -8
/** jute.maxbuffer: what a server takes in one request. */
const MAX_REQUEST_BYTES = 0xfffff
const MAX_BACKOFF_MS = 1000
/** addWatch's mode, removeWatches' type. */
const MODE = { persistent: 0, recursive: 1 } as const
const TYPE = { persistent: 4, recursive: 5 } as const

export interface WireClientOptions {
  readonly env: Env
  /** `host:port,host:port/chroot` */
  readonly servers: string
  /** What is asked for; the server has the last word. */
  readonly sessionTimeoutMs: number
  /** How long `connect` tries before it rejects; the session timeout by default. */
  readonly connectTimeoutMs?: number
  /** Makes the znodes of the chroot that are missing, before `connect` resolves. */
  readonly makeChroot?: boolean
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

export class WireClient implements ZnodeClient {
  readonly #options: WireClientOptions
  readonly #env: Env
  readonly #servers: ConnectString['servers']
  readonly #chroot: string
  readonly #watches = new WatchRegistry()
  readonly #listeners = new Set<(state: ClientState) => void>()
  #state: ClientState = 'suspended'
  #session: Handshake
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

  private constructor(options: WireClientOptions) {
    this.#options = options
    this.#env = options.env
    const { servers, chroot } = parseConnectString(options.servers)
    this.#servers = shuffled(servers, () => options.env.random.next())
    this.#chroot = chroot
    this.#session = { lastZxidSeen: 0n, sessionId: 0n, password: new Uint8Array(16), timeoutMs: options.sessionTimeoutMs }
  }

  /** Resolves with the first session; rejects when none comes about in time. */
  static async connect(options: WireClientOptions): Promise<WireClient> {
    const client = new WireClient(options)
    const limitMs = options.connectTimeoutMs ?? options.sessionTimeoutMs
    const opened = new Promise<void>((resolve, reject) => {
      client.#opened = { resolve, reject }
    })
    const limit = options.env.timers.after(limitMs, () => {
      client.#opened?.reject(
        new ZnodeError(
          ZkCode.connectionLoss,
          null,
          [],
          `no ZooKeeper session at ${options.servers} within ${limitMs} ms (last tried ${client.#lastReason}): check that ZooKeeper runs there and the address is right (zookeeper.connect), or allow more time (zookeeper.connection.timeout.ms)`,
        ),
      )
      client.#finish('closed', ZkCode.connectionLoss)
    })
    client.#connect()
    try {
      await opened
      client.#opened = null
      if (options.makeChroot) await client.#makeChroot()
      return client
    } catch (error) {
      // A session that nobody was given must not live on.
      await client.close()
      throw error
    } finally {
      limit.cancel()
      client.#opened = null
    }
  }

  /** From the top; several clients may be at it. Looks before it makes: who may not create above a chroot may still use it. */
  async #makeChroot(): Promise<void> {
    const parts = this.#chroot.split('/').slice(1)
    for (let depth = 1; depth <= parts.length; depth++) {
      const path = `/${parts.slice(0, depth).join('/')}`
      while (!(await this.#madeOf(path)));
    }
  }

  /** False: the connection broke, and whether the node is there is to be looked at again. */
  async #madeOf(path: string): Promise<boolean> {
    const look = request(Opcode.exists, pathWatch, { path, watch: false }, () => true)
    try {
      await this.#call(path, look).catch((error: unknown) => {
        if (error instanceof ZnodeError && error.zkCode === ZkCode.noNode) return this.#call(path, createOf(path, null, {}))
        throw error
      })
      return true
    } catch (error) {
      if (!(error instanceof ZnodeError)) throw error
      if (error.zkCode === ZkCode.nodeExists) return true
      if (error.zkCode === ZkCode.connectionLoss && this.#state !== 'closed') return false
      const fix = 'create it with an ACL that lets this node in, or name another (zookeeper.connect)'
      throw new ZnodeError(error.zkCode, path, [], `the chroot of the ZooKeeper address ${this.#options.servers} could not be made: ${fix}`)
    }
  }

  get sessionId(): bigint {
    return this.#session.sessionId
  }

  get state(): ClientState {
    return this.#state
  }

  /** What the server granted. */
  get timeoutMs(): number {
    return this.#session.timeoutMs
  }

  onState(listener: (state: ClientState) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Counted from when the newest answered request was SENT: the server heard of us then at the earliest. */
  mayActUntil(): number {
    if (this.#state === 'expired' || this.#state === 'closed') return 0
    return this.#confirmedAt + (this.#session.timeoutMs * 2) / 3
  }

  // ---- connections

  #connect(): void {
    this.#retry = null
    const server = this.#servers[this.#nextServer++ % this.#servers.length]!
    const { env, tls, sessionTimeoutMs, maxResponseBytes } = this.#options
    const connectTimeoutMs = Math.max(200, (sessionTimeoutMs * 2) / 3 / this.#servers.length)
    let lost = false
    const connection = new ClientConnection(
      { env, server, tls, connectTimeoutMs, maxFrameBytes: maxResponseBytes ?? 64 * 1024 * 1024 },
      this.#session,
      {
        established: (session) => this.#established(session, connection),
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

  #established(session: Handshake, connection: ClientConnection): void {
    if (session.timeoutMs <= 0) return this.#finish('expired', ZkCode.sessionExpired)
    this.#session = { ...session, lastZxidSeen: this.#session.lastZxidSeen }
    this.#failures = 0
    this.#giveUp?.cancel()
    this.#giveUp = null
    for (const { scheme, auth } of this.#options.auth ?? []) {
      connection.send((w) => {
        requestHeader.write(w, { xid: AUTH_XID, type: Opcode.auth })
        authPacket.write(w, { type: 0, scheme, auth: Buffer.from(auth) })
      })
    }
    const relativeZxid = this.#session.lastZxidSeen
    for (const chunk of this.#watches.chunks()) {
      connection.send((w) => {
        requestHeader.write(w, { xid: SET_WATCHES_XID, type: Opcode.setWatches2 })
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
    this.#giveUp ??= this.#env.timers.after(this.#session.timeoutMs, () => {
      this.#giveUp = null
      const waiting = this.#waiting
      this.#waiting = []
      for (const pending of waiting) pending.reject(new ZnodeError(ZkCode.connectionLoss, pending.path))
    })
  }

  /** The end, one way or the other. */
  #finish(state: 'expired' | 'closed', code: number): void {
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

  #setState(state: ClientState): void {
    if (this.#state === state) return
    this.#state = state
    for (const listener of this.#listeners) listener(state)
  }

  // ---- requests

  #call<T>(path: string | null, of: Request<T>): Promise<T> {
    return new Promise((resolve, reject) => this.#enqueue(path, of, resolve, reject))
  }

  #enqueue<T>(path: string | null, of: Request<T>, resolve: (value: T, zxid: bigint) => void, reject: (error: ZnodeError) => void): void {
    if (this.#state === 'expired' || this.#state === 'closed') return reject(new ZnodeError(ZkCode.sessionExpired, path))
    if (this.#waiting.length + this.#inFlight.length >= (this.#options.maxOutstanding ?? 10_000)) {
      return reject(new ZnodeError(ZkCode.throttledOp, path))
    }
    const pending: Pending = { request: of, path, resolve: resolve as Pending['resolve'], reject, xid: 0, sentAt: 0 }
    if (this.#state === 'connected') return this.#send(pending, this.#connection!)
    this.#waiting.push(pending)
    this.#armGiveUp()
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
        w.int(-2)
        w.int(Opcode.ping)
      }
    })
    if (tooLarge) pending.reject(new ZnodeError(ZkCode.badArguments, pending.path))
    else this.#inFlight.push(pending)
  }

  #reply(xid: number, zxid: bigint, err: number): void {
    if (xid === EVENT_XID) return this.#event(zxid)
    if (zxid > this.#session.lastZxidSeen) this.#session = { ...this.#session, lastZxidSeen: zxid }
    if (xid === SET_WATCHES_XID) {
      if (err !== ZkCode.ok) this.#connection?.close(`watches could not be armed again: ${err}`)
      return
    }
    if (xid === AUTH_XID) {
      if (err !== ZkCode.ok) this.#finish('closed', ZkCode.authFailed)
      return
    }
    const pending = this.#inFlight[0]
    if (!pending || pending.xid !== xid) return this.#connection?.close(`answer ${xid} where ${pending?.xid ?? 'none'} was due`)
    this.#inFlight.shift()
    this.#confirmedAt = Math.max(this.#confirmedAt, pending.sentAt)
    if (err === ZkCode.sessionExpired) {
      pending.reject(new ZnodeError(err, pending.path))
      return this.#finish('expired', err)
    }
    if (err !== ZkCode.ok) return pending.reject(new ZnodeError(err, pending.path))
    pending.resolve(pending.request.read(reader), zxid)
  }

  #event(zxid: bigint): void {
    const { type, path } = watcherEvent.read(reader)
    // "None" tells of the connection itself, which is known here.
    if (type < EventType.created || type > EventType.childrenChanged) return
    const callbacks = this.#watches.take({ type: type as EventType, path, zxid })
    const event: WatchEvent = { type: type as EventType, path: this.#local(path), zxid }
    for (const callback of callbacks) callback(event)
  }

  // ---- paths

  #remote(path: string): string {
    return this.#chroot === '' ? path : path === '/' ? this.#chroot : this.#chroot + path
  }

  #local(path: string): string {
    return this.#chroot === '' ? path : path.slice(this.#chroot.length) || '/'
  }

  // ---- operations

  async create(path: string, data: Uint8Array | null, options: CreateOptions = {}): Promise<string> {
    return (await this.create2(path, data, options)).path
  }

  async create2(path: string, data: Uint8Array | null, options: CreateOptions = {}): Promise<{ path: string; stat: Stat }> {
    const made = await this.#call(path, createOf(this.#remote(path), data, options))
    return { path: this.#local(made.path), stat: made.stat }
  }

  delete(path: string, version = -1): Promise<void> {
    return this.#call(
      path,
      request(Opcode.delete, pathVersion, { path: this.#remote(path), version }, () => undefined),
    )
  }

  setData(path: string, data: Uint8Array | null, version = -1): Promise<Stat> {
    const value = { path: this.#remote(path), data, version }
    return this.#call(
      path,
      request(Opcode.setData, setDataRequest, value, (r) => statResponse.read(r).stat),
    )
  }

  async exists(path: string, watch?: WatchCallback): Promise<Stat | null> {
    const at = this.#remote(path)
    const arm = (kind: RegisteredKind): void => {
      if (watch) this.#watches.add(kind, at, watch)
    }
    const value = { path: at, watch: watch !== undefined }
    return new Promise((resolve, reject) => {
      this.#enqueue<Stat>(
        path,
        request(Opcode.exists, pathWatch, value, (r) => statResponse.read(r).stat),
        (stat) => {
          arm('data')
          resolve(stat)
        },
        (error) => {
          if (error.zkCode !== ZkCode.noNode) return reject(error)
          // Armed as the answer is read: the event of the creation may stand in the same chunk.
          arm('exist')
          resolve(null)
        },
      )
    })
  }

  getData(path: string, watch?: WatchCallback): Promise<NodeData> {
    const at = this.#remote(path)
    return this.#call(
      path,
      request(Opcode.getData, pathWatch, { path: at, watch: watch !== undefined }, (r) => {
        const { data, stat } = getDataResponse.read(r)
        if (watch) this.#watches.add('data', at, watch)
        // A copy: the bytes lie in a chunk of the socket that would live as long as they do.
        return { data: data === null ? null : Uint8Array.prototype.slice.call(data), stat }
      }),
    )
  }

  getChildren(path: string, watch?: WatchCallback): Promise<{ names: string[]; stat: Stat }> {
    const at = this.#remote(path)
    return this.#call(
      path,
      request(Opcode.getChildren2, pathWatch, { path: at, watch: watch !== undefined }, (r) => {
        const { children, stat } = getChildren2Response.read(r)
        if (watch) this.#watches.add('children', at, watch)
        return { names: [...children], stat }
      }),
    )
  }

  multi(ops: readonly MultiOp[]): Promise<MultiResult> {
    return new Promise((resolve, reject) => {
      this.#enqueue(
        null,
        multiOf(ops, (path) => this.#remote(path)),
        (results, zxid) => {
          const failed = results.find(({ code }) => code !== ZkCode.ok && code !== ZkCode.runtimeInconsistency)
          if (failed) reject(new ZnodeError(failed.code, null, results))
          else resolve({ zxid, results: results.map((each) => (each.path === null ? each : { ...each, path: this.#local(each.path) })) })
        },
        reject,
      )
    })
  }

  async addWatch(path: string, mode: 'persistent' | 'recursive', callback: WatchCallback): Promise<Watch> {
    const at = this.#remote(path)
    await this.#call(
      path,
      request(Opcode.addWatch, pathMode, { path: at, mode: MODE[mode] }, () => this.#watches.add(mode, at, callback)),
    )
    return {
      remove: () => {
        if (!this.#watches.remove(mode, at, callback) || this.#state !== 'connected') return
        const off = request(Opcode.removeWatches, pathMode, { path: at, mode: TYPE[mode] }, () => undefined)
        // Without it the server goes on telling what nobody listens to: harmless, and over with the connection.
        this.#call(path, off).catch((error: Error) =>
          this.#env.logger.debug({ path, error: error.message }, 'a watch could not be taken off'),
        )
      },
    }
  }

  async sync(path: string): Promise<void> {
    await this.#call(
      path,
      request(Opcode.sync, pathRecord, { path: this.#remote(path) }, () => undefined),
    )
  }

  /** Without a connection the session cannot be told: it ends by itself after its timeout. */
  async close(): Promise<void> {
    if (this.#state === 'connected') {
      const ended = this.#call<void>(null, { opcode: Opcode.closeSession, write: () => undefined, read: () => undefined })
      await ended.catch((error: Error) => this.#env.logger.debug({ error: error.message }, 'the session was not closed by an answer'))
    }
    this.#finish('closed', ZkCode.sessionExpired)
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
