// One broker as a client sees it: connects when first used, negotiates versions once per connection, sends requests
// and enforces their timeouts. Retries nothing; what fails here, fails to the caller. Of one that is silent it tells while it waits.
//
// States: idle → connecting → ready → idle (after an error; the next request connects again, after a pause).

import type { Env, Timer } from '../../env/env.js'
import { pauseFor } from '../../env/pause.js'
import type { BodyOf } from '../../protocol/codec/codec.js'
import { decodeResponse, encodeRequest } from '../../protocol/codec/index.js'
import { MILLRACE_ACK_FEATURE } from '../../protocol/schema/api-versions.js'
import type { MessageOf } from '../../protocol/schema/dsl.js'
import { type Api, apis } from '../../protocol/schema/index.js'
import { ClientError, isClientError } from '../errors.js'
import type { BrokerAddress, Connection, DirectDoor, Transport } from '../transport.js'
import { backoffMs, type KeepAlive } from './backoff.js'

export interface BrokerOptions {
  readonly clientId: string
  readonly requestTimeoutMs: number
  readonly reconnectBackoffMs: number
  readonly reconnectBackoffMaxMs: number
  readonly socketConnectionSetupTimeoutMs: number
}

export interface RequestOptions {
  /** Milliseconds; default `requestTimeoutMs`. The connection is closed when it passes, as the answer's place is lost. */
  readonly timeoutMs?: number
  /** Milliseconds without an answer after which the broker counts as silent: a host that is cut off ends no connection. Default: never. */
  readonly silentAfterMs?: number
  /** Highest version the caller can use; for behaviour that changed, not for formats. */
  readonly maxVersion?: number
  /** Lowest version that can express the request; a broker below it is refused with a reason. */
  readonly minVersion?: number
  /** False for Produce with acks 0. */
  readonly expectResponse?: boolean
  /** What the caller needs `minVersion` for, e.g. `per-record headers`. */
  readonly purpose?: string
}

/** What one connection agreed on. */
export interface Negotiated {
  readonly connection: Connection
  readonly ranges: ReadonlyMap<number, readonly [min: number, max: number]>
  readonly features: ReadonlySet<string>
}

/** Within this a broker that is well answers what it need not wait for. */
export const SILENT_AFTER_MS = 1000
/** How often it is told that a broker is silent still. */
export const SILENT_AGAIN_MS = 500
const UNSUPPORTED_VERSION = 35
const SOFTWARE = { clientSoftwareName: 'millrace', clientSoftwareVersion: '0.1.0' } as const

export class Broker {
  address: BrokerAddress
  readonly #transport: Transport
  readonly #env: Env
  readonly #options: BrokerOptions
  readonly #keepAlive: KeepAlive
  readonly #silent: () => void
  #ready: Negotiated | undefined
  #connecting: Promise<Negotiated> | undefined
  #failures = 0
  /** Monotonic time before which no connection is tried. */
  #notBefore = 0
  #correlationId = 0
  #inFlight = 0
  #closed = false

  /** `silent` is told again and again while something is waited for: another broker may know by now who is to be asked instead. */
  constructor(address: BrokerAddress, transport: Transport, env: Env, options: BrokerOptions, keepAlive: KeepAlive, silent: () => void) {
    this.address = address
    this.#transport = transport
    this.#env = env
    this.#options = options
    this.#keepAlive = keepAlive
    this.#silent = silent
  }

  get inFlight(): number {
    return this.#inFlight
  }

  get isConnected(): boolean {
    return this.#ready?.connection.isOpen ?? false
  }

  /** Milliseconds until a connection may be tried; 0: now. */
  get backoffLeftMs(): number {
    return this.isConnected ? 0 : Math.max(0, this.#notBefore - this.#env.clock.monotonic())
  }

  get where(): string {
    return `${this.address.host}:${this.address.port}`
  }

  /** The agreed version of `api`, once connected. Throws when broker and client have none in common. */
  async version(api: Api, options: RequestOptions = {}): Promise<number> {
    return this.#versionOf(await this.connected(), api, options)
  }

  /** The agreed version if the connection stands, else -1: for callers that must not wait. */
  versionNow(api: Api, options: RequestOptions = {}): number {
    const ready = this.#ready
    return ready?.connection.isOpen ? this.#versionOf(ready, api, options) : -1
  }

  /** Whether the broker announces the per-call acknowledgement promise. */
  async readsAckPromise(): Promise<boolean> {
    return (await this.connected()).features.has(MILLRACE_ACK_FEATURE.name)
  }

  /** The same, of the connection that stands; false without one. */
  get announcesAckPromise(): boolean {
    return this.#ready?.features.has(MILLRACE_ACK_FEATURE.name) ?? false
  }

  /** The way past requests, of the connection that stands. */
  get directDoor(): DirectDoor | undefined {
    const connection = this.#ready?.connection
    return connection?.isOpen ? connection.direct : undefined
  }

  async request<A extends Api>(api: A, input: BodyOf<A['request']>, options: RequestOptions = {}): Promise<MessageOf<A['response']>> {
    const ready = this.#ready?.connection.isOpen ? this.#ready : await this.connected()
    const version = this.#versionOf(ready, api, options)
    return this.#exchange(ready.connection, api, version, input, options)
  }

  connected(): Promise<Negotiated> {
    if (this.#ready?.connection.isOpen) return Promise.resolve(this.#ready)
    this.#ready = undefined
    this.#connecting ??= this.#connect().finally(() => (this.#connecting = undefined))
    return this.#connecting
  }

  /** Ends the connection; the next request makes a new one. */
  disconnect(): void {
    this.#ready?.connection.close()
    this.#ready = undefined
  }

  close(): void {
    this.#closed = true
    this.#ready?.connection.close()
    this.#ready = undefined
  }

  async #connect(): Promise<Negotiated> {
    if (this.#closed) throw new ClientError('ERR_MILLRACE_CLOSED', 'the client is closed')
    this.#keepAlive.hold()
    const looking = this.#env.timers.every(SILENT_AGAIN_MS, this.#silent)
    try {
      const pause = this.#notBefore - this.#env.clock.monotonic()
      if (pause > 0) await pauseFor(pause, this.#env.timers)
      const ready = await this.#negotiate()
      if (this.#closed) {
        ready.connection.close()
        throw new ClientError('ERR_MILLRACE_CLOSED', 'the client is closed')
      }
      this.#failures = 0
      this.#ready = ready
      return ready
    } catch (error) {
      this.#failures++
      const { reconnectBackoffMs, reconnectBackoffMaxMs } = this.#options
      this.#notBefore =
        this.#env.clock.monotonic() + backoffMs(this.#failures, reconnectBackoffMs, reconnectBackoffMaxMs, this.#env.random.next())
      throw error
    } finally {
      looking.cancel()
      this.#keepAlive.release()
    }
  }

  /** ApiVersions in our newest version; a broker that does not know it answers in version 0 and says which it knows. */
  async #negotiate(): Promise<Negotiated> {
    const connection = await this.#transport.connect(this.address, this.#options.socketConnectionSetupTimeoutMs)
    try {
      let version = 4
      let answer = await this.#exchange(connection, apis.apiVersions, version, SOFTWARE, {})
      if (answer.errorCode === UNSUPPORTED_VERSION) {
        const own = answer.apiKeys.find((entry) => entry.apiKey === apis.apiVersions.key)
        version = Math.min(version - 1, own?.maxVersion ?? 0)
        answer = await this.#exchange(connection, apis.apiVersions, version, SOFTWARE, {})
      }
      if (answer.errorCode !== 0)
        throw new ClientError('ERR_MILLRACE_CONNECT', `${this.where} refused ApiVersions with code ${answer.errorCode}`)
      const ranges = new Map(answer.apiKeys.map((entry) => [entry.apiKey, [entry.minVersion, entry.maxVersion] as const]))
      return { connection, ranges, features: new Set(answer.supportedFeatures.map((feature) => feature.name)) }
    } catch (error) {
      connection.close()
      throw error
    }
  }

  #versionOf(ready: Negotiated, api: Api, options: RequestOptions): number {
    const range = ready.ranges.get(api.key)
    const ours = [api.minVersion, api.maxVersion] as const
    const max = Math.min(range?.[1] ?? -1, ours[1], options.maxVersion ?? ours[1])
    const min = Math.max(range?.[0] ?? 0, ours[0], options.minVersion ?? 0)
    if (range !== undefined && min <= max) return max
    const theirs = range === undefined ? 'does not serve it' : `serves versions ${range[0]} to ${range[1]}`
    const needed =
      options.minVersion === undefined
        ? `${ours[0]} to ${ours[1]}`
        : `${options.minVersion} or later${options.purpose ? ` for ${options.purpose}` : ''}`
    throw new ClientError(
      'ERR_MILLRACE_UNSUPPORTED',
      `${api.name}: the broker at ${this.where} ${theirs}; this client needs versions ${needed}`,
    )
  }

  async #exchange<A extends Api>(
    connection: Connection,
    api: A,
    version: number,
    input: BodyOf<A['request']>,
    options: RequestOptions,
  ): Promise<MessageOf<A['response']>> {
    const correlationId = (this.#correlationId = (this.#correlationId + 1) & 0x7fffffff)
    const pieces = encodeRequest(api, version, correlationId, this.#options.clientId, input)
    const timeoutMs = options.timeoutMs ?? this.#options.requestTimeoutMs
    let timedOut = false
    const giveUp = (): void => {
      timedOut = true
      connection.close()
    }
    const answered = options.expectResponse === false ? undefined : this.#limit(timeoutMs, options.silentAfterMs ?? Infinity, giveUp)
    this.#inFlight++
    this.#keepAlive.hold()
    try {
      const frame = await connection.request(pieces, correlationId, options.expectResponse !== false)
      // Without an answer there is nothing to read; what acks 0 resolves with has the response's defaults.
      if (options.expectResponse === false) return {} as MessageOf<A['response']>
      return decodeResponse(api, isVersionRefusal(api, frame) ? 0 : version, frame).body
    } catch (error) {
      if (timedOut) {
        throw new ClientError(
          'ERR_MILLRACE_TIMEOUT',
          `${api.name}: no answer from ${this.where} within ${timeoutMs} ms (requestTimeoutMs)`,
          { cause: error },
        )
      }
      if (!isClientError(error)) connection.close()
      throw error
    } finally {
      answered?.()
      this.#inFlight--
      this.#keepAlive.release()
    }
  }

  /** Until what it returns is called: tells of silence, and gives up after `timeoutMs`. */
  #limit(timeoutMs: number, silentAfterMs: number, giveUp: () => void): () => void {
    let left = timeoutMs
    let timer: Timer
    const wait = (ms: number): void => {
      const waits = Math.min(ms, left)
      left -= waits
      timer = this.#env.timers.after(waits, () => {
        if (left <= 0) return giveUp()
        wait(SILENT_AGAIN_MS)
        this.#silent()
      })
    }
    wait(silentAfterMs)
    return () => timer.cancel()
  }
}

/** ApiVersions in a version the broker does not know is answered in version 0, with the error code right after the header. */
function isVersionRefusal(api: Api, frame: Uint8Array): boolean {
  return api.key === apis.apiVersions.key && frame[4] === 0 && frame[5] === UNSUPPORTED_VERSION
}
