// The brokers of one cluster that a client talks to: one connection each, side connections for requests whose answers are held back, and
// the addresses to start from. Says which to ask first; knows no metadata but the addresses it is given.

import type { Env } from '../../env/env.js'
import type { BrokerAddress, Transport } from '../transport.js'
import type { KeepAlive } from './backoff.js'
import { Broker, type BrokerOptions } from './broker.js'

export class Connections {
  readonly #transport: Transport
  readonly #ownsTransport: boolean
  readonly #env: Env
  readonly #options: BrokerOptions
  readonly #keepAlive: KeepAlive
  readonly #silent: () => void
  readonly #brokers = new Map<number, Broker>()
  readonly #sides = new Map<string, Broker>()
  readonly #bootstrap: readonly Broker[]

  /** `silent` is told while a broker does not answer. */
  constructor(transport: Transport, ownsTransport: boolean, env: Env, options: BrokerOptions, keepAlive: KeepAlive, silent: () => void) {
    this.#transport = transport
    this.#ownsTransport = ownsTransport
    this.#env = env
    this.#options = options
    this.#keepAlive = keepAlive
    this.#silent = silent
    this.#bootstrap = transport.bootstrap.map((address) => this.#newBroker(address))
  }

  /** The broker at that address; one that had its id at another address is closed. */
  broker(address: BrokerAddress): Broker {
    return this.#at(this.#brokers, address.nodeId, address)
  }

  /** Another connection to the same broker, one per purpose. */
  side(address: BrokerAddress, purpose: string): Broker {
    return this.#at(this.#sides, `${purpose} ${address.nodeId}`, address)
  }

  /** The brokers of these addresses, the least busy first and connected ones before others; then those to start from. */
  candidates(known: Iterable<BrokerAddress>): Broker[] {
    const brokers = [...known].map((address) => this.broker(address))
    const cost = (broker: Broker): number => (broker.isConnected ? 0 : 1e6) + broker.backoffLeftMs * 1e3 + broker.inFlight
    brokers.sort((a, b) => cost(a) - cost(b))
    return [...brokers, ...this.#bootstrap]
  }

  /** The addresses to start from are not needed once brokers are known; they are connected again if all of those fail. */
  releaseBootstrap(): void {
    for (const broker of this.#bootstrap) if (broker.isConnected && broker.inFlight === 0) broker.disconnect()
  }

  /** Closes the brokers that are no more. */
  keepOnly(isKnown: (nodeId: number) => boolean): void {
    for (const [nodeId, broker] of this.#brokers) {
      if (isKnown(nodeId)) continue
      broker.close()
      this.#brokers.delete(nodeId)
    }
  }

  close(): void {
    for (const broker of [...this.#brokers.values(), ...this.#sides.values(), ...this.#bootstrap]) broker.close()
    if (this.#ownsTransport) this.#transport.close()
  }

  #at<Key>(brokers: Map<Key, Broker>, key: Key, address: BrokerAddress): Broker {
    let broker = brokers.get(key)
    if (!broker || broker.address.host !== address.host || broker.address.port !== address.port) {
      broker?.close()
      broker = this.#newBroker(address)
      brokers.set(key, broker)
    }
    return broker
  }

  #newBroker(address: BrokerAddress): Broker {
    return new Broker(address, this.#transport, this.#env, this.#options, this.#keepAlive, this.#silent)
  }
}
