// The broker's own ZooKeeper client: what a ZnodeClient is asked for, as requests of one session with any ZooKeeper ensemble, embedded or
// Apache's, below a chroot. What becomes of requests when connections come and go is the session's (client/session.ts).

import type { Env } from '../../env/env.js'
import { Opcode, ZkCode } from '../tree/codes.js'
import type { Stat } from '../tree/types.js'
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
import { parseConnectString } from './client/connect-string.js'
import { createOf, multiOf, request } from './client/requests.js'
import { ClientSession, type ClientSessionOptions } from './client/session.js'
import type { RegisteredKind } from './client/watch-registry.js'
import { codecOf } from './jute/codec.js'
import * as records from './jute/records.js'

const pathRecord = codecOf(records.PathRecord)
const pathWatch = codecOf(records.PathWatch)
const pathVersion = codecOf(records.PathVersion)
const pathMode = codecOf(records.PathMode)
const setDataRequest = codecOf(records.SetDataRequest)
const statResponse = codecOf(records.StatResponse)
const getDataResponse = codecOf(records.GetDataResponse)
const getChildren2Response = codecOf(records.GetChildren2Response)

/** addWatch's mode, removeWatches' type. */
const MODE = { persistent: 0, recursive: 1 } as const
const TYPE = { persistent: 4, recursive: 5 } as const

export interface WireClientOptions extends Omit<ClientSessionOptions, 'servers'> {
  /** `host:port,host:port/chroot` */
  readonly servers: string
  /** How long `connect` tries before it rejects; the session timeout by default. */
  readonly connectTimeoutMs?: number
  /** Makes the znodes of the chroot that are missing, before `connect` resolves. */
  readonly makeChroot?: boolean
}

export class WireClient implements ZnodeClient {
  readonly #env: Env
  /** As it was given. */
  readonly #address: string
  readonly #chroot: string
  readonly #session: ClientSession

  private constructor(options: WireClientOptions) {
    const { servers, chroot } = parseConnectString(options.servers)
    this.#env = options.env
    this.#address = options.servers
    this.#chroot = chroot
    this.#session = new ClientSession({ ...options, servers }, (path) => this.#local(path))
  }

  /** Resolves with the first session; rejects when none comes about in time. */
  static async connect(options: WireClientOptions): Promise<WireClient> {
    const client = new WireClient(options)
    try {
      await client.#session.open(options.connectTimeoutMs ?? options.sessionTimeoutMs)
      if (options.makeChroot) await client.#makeChroot()
      return client
    } catch (error) {
      // A session that nobody was given must not live on.
      await client.close()
      throw error
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
      await this.#session.call(path, look).catch((error: unknown) => {
        if (error instanceof ZnodeError && error.zkCode === ZkCode.noNode) return this.#session.call(path, createOf(path, null, {}))
        throw error
      })
      return true
    } catch (error) {
      if (!(error instanceof ZnodeError)) throw error
      if (error.zkCode === ZkCode.nodeExists) return true
      if (error.zkCode === ZkCode.connectionLoss && this.state !== 'closed') return false
      const fix = 'create it with an ACL that lets this node in, or name another (zookeeper.connect)'
      throw new ZnodeError(error.zkCode, path, [], `the chroot of the ZooKeeper address ${this.#address} could not be made: ${fix}`)
    }
  }

  get sessionId(): bigint {
    return this.#session.sessionId
  }

  get state(): ClientState {
    return this.#session.state
  }

  get timeoutMs(): number {
    return this.#session.timeoutMs
  }

  onState(listener: (state: ClientState) => void): () => void {
    return this.#session.onState(listener)
  }

  mayActUntil(): number {
    return this.#session.mayActUntil()
  }

  #remote(path: string): string {
    return this.#chroot === '' ? path : path === '/' ? this.#chroot : this.#chroot + path
  }

  #local(path: string): string {
    return this.#chroot === '' ? path : path.slice(this.#chroot.length) || '/'
  }

  async create(path: string, data: Uint8Array | null, options: CreateOptions = {}): Promise<string> {
    return (await this.create2(path, data, options)).path
  }

  async create2(path: string, data: Uint8Array | null, options: CreateOptions = {}): Promise<{ path: string; stat: Stat }> {
    const made = await this.#session.call(path, createOf(this.#remote(path), data, options))
    return { path: this.#local(made.path), stat: made.stat }
  }

  delete(path: string, version = -1): Promise<void> {
    return this.#session.call(
      path,
      request(Opcode.delete, pathVersion, { path: this.#remote(path), version }, () => undefined),
    )
  }

  setData(path: string, data: Uint8Array | null, version = -1): Promise<Stat> {
    const value = { path: this.#remote(path), data, version }
    return this.#session.call(
      path,
      request(Opcode.setData, setDataRequest, value, (r) => statResponse.read(r).stat),
    )
  }

  async exists(path: string, watch?: WatchCallback): Promise<Stat | null> {
    const at = this.#remote(path)
    const arm = (kind: RegisteredKind): void => {
      if (watch) this.#session.watches.add(kind, at, watch)
    }
    const value = { path: at, watch: watch !== undefined }
    return new Promise((resolve, reject) => {
      this.#session.enqueue<Stat>(
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
    return this.#session.call(
      path,
      request(Opcode.getData, pathWatch, { path: at, watch: watch !== undefined }, (r) => {
        const { data, stat } = getDataResponse.read(r)
        if (watch) this.#session.watches.add('data', at, watch)
        // A copy: the bytes lie in a chunk of the socket that would live as long as they do.
        return { data: data === null ? null : Uint8Array.prototype.slice.call(data), stat }
      }),
    )
  }

  getChildren(path: string, watch?: WatchCallback): Promise<{ names: string[]; stat: Stat }> {
    const at = this.#remote(path)
    return this.#session.call(
      path,
      request(Opcode.getChildren2, pathWatch, { path: at, watch: watch !== undefined }, (r) => {
        const { children, stat } = getChildren2Response.read(r)
        if (watch) this.#session.watches.add('children', at, watch)
        return { names: [...children], stat }
      }),
    )
  }

  multi(ops: readonly MultiOp[]): Promise<MultiResult> {
    return new Promise((resolve, reject) => {
      this.#session.enqueue(
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
    await this.#session.call(
      path,
      request(Opcode.addWatch, pathMode, { path: at, mode: MODE[mode] }, () => this.#session.watches.add(mode, at, callback)),
    )
    return {
      remove: () => {
        if (!this.#session.watches.remove(mode, at, callback) || this.state !== 'connected') return
        const off = request(Opcode.removeWatches, pathMode, { path: at, mode: TYPE[mode] }, () => undefined)
        // Without it the server goes on telling what nobody listens to: harmless, and over with the connection.
        this.#session
          .call(path, off)
          .catch((error: Error) => this.#env.logger.debug({ path, error: error.message }, 'a watch could not be taken off'))
      },
    }
  }

  async sync(path: string): Promise<void> {
    await this.#session.call(
      path,
      request(Opcode.sync, pathRecord, { path: this.#remote(path) }, () => undefined),
    )
  }

  /** Without a connection the session cannot be told: it ends by itself after its timeout. */
  async close(): Promise<void> {
    if (this.state === 'connected') {
      const ended = this.#session.call<void>(null, { opcode: Opcode.closeSession, write: () => undefined, read: () => undefined })
      await ended.catch((error: Error) => this.#env.logger.debug({ error: error.message }, 'the session was not closed by an answer'))
    }
    this.#session.finish('closed', ZkCode.sessionExpired)
  }
}
