// What a client hears from a cluster, counted beside it: errors in answers by name, lost connections. Changes nothing.

import { TcpTransport } from '../../../src/client/tcp-transport.js'
import type { BrokerAddress, Connection, Transport } from '../../../src/client/transport.js'
import { errors } from '../../../src/model/errors.js'
import { decodeResponse } from '../../../src/protocol/codec/index.js'
import { apiByKey } from '../../../src/protocol/schema/index.js'

const HEAD_BYTES = 4
const NAMES = new Map<number, { readonly name: string; readonly retriable: boolean }>(
  Object.values(errors).map((error) => [error.code, error]),
)
/**
 * Part of a protocol that the client knows how to go on from: of groups, of fetch sessions, and of the idempotent producer's window, in which
 * batches behind one that was refused are out of order until it is sent again.
 */
const OF_PROTOCOLS = new Set([
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
  'REBALANCE_IN_PROGRESS',
  'MEMBER_ID_REQUIRED',
  'FETCH_SESSION_ID_NOT_FOUND',
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
])

/** Counts by what was heard, such as `Produce NOT_LEADER_OR_FOLLOWER`. */
export class Heard {
  readonly counts = new Map<string, number>()
  /** Heard, and neither retriable nor part of a protocol. */
  readonly unexpected = new Set<string>()

  count(what: string, isExpected = true): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
    if (!isExpected) this.unexpected.add(what)
  }

  add(other: Heard): void {
    for (const [what, count] of other.counts) this.counts.set(what, (this.counts.get(what) ?? 0) + count)
    for (const what of other.unexpected) this.unexpected.add(what)
  }
}

function isExpected(code: number): boolean {
  const error = NAMES.get(code)
  return error !== undefined && (error.retriable || OF_PROTOCOLS.has(error.name))
}

/** Every error code anywhere in an answer, each once. */
function codesIn(value: unknown, found: Set<number>): void {
  if (Array.isArray(value)) for (const each of value) codesIn(each, found)
  else if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
    for (const [name, inner] of Object.entries(value)) {
      if (name === 'errorCode' && typeof inner === 'number') found.add(inner)
      else codesIn(inner, found)
    }
  }
}

class ObservedConnection implements Connection {
  readonly #inner: Connection
  readonly #heard: Heard

  constructor(inner: Connection, heard: Heard) {
    this.#inner = inner
    this.#heard = heard
  }

  get isOpen(): boolean {
    return this.#inner.isOpen
  }

  get bufferedBytes(): number {
    return this.#inner.bufferedBytes
  }

  async request(pieces: readonly Uint8Array[], correlationId: number, expectResponse: boolean): Promise<Uint8Array> {
    const head = Buffer.from(Buffer.concat(pieces).subarray(0, HEAD_BYTES))
    try {
      const frame = await this.#inner.request(pieces, correlationId, expectResponse)
      if (expectResponse) this.#look(head.readInt16BE(0), head.readInt16BE(2), frame)
      return frame
    } catch (error) {
      this.#heard.count('connection lost')
      throw error
    }
  }

  #look(key: number, version: number, frame: Uint8Array): void {
    const api = apiByKey(key)!
    const found = new Set<number>()
    codesIn(decodeResponse(api, version, frame).body, found)
    for (const code of found) {
      if (code !== 0) this.#heard.count(`${api.name} ${NAMES.get(code)?.name ?? code}`, isExpected(code))
    }
  }

  close(): void {
    this.#inner.close()
  }
}

export class ObservedTransport implements Transport {
  readonly #inner: TcpTransport
  readonly #heard: Heard

  constructor(bootstrapServers: string, heard: Heard) {
    this.#inner = new TcpTransport({ bootstrapServers, tls: false })
    this.#heard = heard
  }

  get bootstrap(): readonly BrokerAddress[] {
    return this.#inner.bootstrap
  }

  async connect(address: BrokerAddress, timeoutMs: number): Promise<Connection> {
    try {
      return new ObservedConnection(await this.#inner.connect(address, timeoutMs), this.#heard)
    } catch (error) {
      this.#heard.count('cannot connect')
      throw error
    }
  }

  close(): void {
    this.#inner.close()
  }
}
