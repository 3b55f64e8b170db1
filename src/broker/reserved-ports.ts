// The ports of a node's listeners, bound by the thread coordinator before anything else starts, so that a port that another process has is an
// error that says so, and port 0 is a real one before the node announces itself. Workers then listen on the same ports beside it.

import type { BrokerEndpoint } from '../controller/image.js'
import { native } from '../log/native.js'

export interface HostPort {
  readonly host: string
  readonly port: number
}

export interface NamedListener extends HostPort {
  readonly name: string
}

const WILDCARDS: ReadonlySet<string> = new Set(['', '0.0.0.0', '::', '[::]'])

/** It stands for every address of the machine, and is none that a client could use. */
export function isWildcard(host: string): boolean {
  return WILDCARDS.has(host)
}

export class ReservedPorts {
  /** In the order asked for; each port is real. */
  readonly addresses: readonly HostPort[]
  readonly #descriptors: number[]

  /** Throws, with nothing bound, when one of them cannot be had. */
  static bind(listen: readonly HostPort[]): ReservedPorts {
    const addresses: HostPort[] = []
    const descriptors: number[] = []
    try {
      for (const { host, port } of listen) {
        const [fd, real] = native().listenSocket(boundHost(host), port, 1, true)
        addresses.push({ host, port: real })
        descriptors.push(fd)
      }
    } catch (error) {
      for (const fd of descriptors) native().closeDescriptor(fd)
      throw error
    }
    return new ReservedPorts(addresses, descriptors)
  }

  private constructor(addresses: readonly HostPort[], descriptors: number[]) {
    this.addresses = addresses
    this.#descriptors = descriptors
  }

  /** Where workers listen. */
  get listeners(): NamedListener[] {
    return this.addresses.map(({ host, port }, index) => ({ name: listenerName(index), host: boundHost(host), port }))
  }

  /** What clients are told. A wildcard host is announced as '': each client is told the address it reached. */
  endpoints(advertise: HostPort | undefined): BrokerEndpoint[] {
    return this.addresses.map(({ host, port }, index) => ({
      name: listenerName(index),
      host: advertise?.host ?? (isWildcard(host) ? '' : host),
      port: advertise?.port ?? port,
      securityProtocol: 'PLAINTEXT',
    }))
  }

  /** Others listen there by now, or nobody will. */
  release(): void {
    for (const fd of this.#descriptors.splice(0)) native().closeDescriptor(fd)
  }
}

function boundHost(host: string): string {
  return isWildcard(host) ? '0.0.0.0' : host
}

function listenerName(index: number): string {
  return index === 0 ? 'PLAINTEXT' : `PLAINTEXT_${index + 1}`
}
