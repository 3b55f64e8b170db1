// The connections of the whole node: the gate with its settings, what workers tell and ask it, and how the node's ports listen.
// Resolves host names of max.connections.per.ip.overrides. Runs on the thread coordinator.

import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Env } from '../env/env.js'
import type { Caller, MailboxHandler } from '../threads/mailbox.js'
import type { ConfigStore } from './config/config-store.js'
import { type ConnectionEvent, ConnectionGate } from './connection-gate.js'
import { plainAddress } from './listener/listener.js'
import { type AdmissionLimits, readAdmissionLimits } from './admission-limits.js'
import type { ListenCommand } from './messages.js'
import type { NamedListener } from './reserved-ports.js'

/** Kafka's default of 50 loses connections when many clients come back at once; an explicit value holds. */
const DEFAULT_BACKLOG = 1024

export interface NodeConnectionsOptions {
  readonly env: Env
  configs(): ConfigStore
  callers(): readonly Caller[]
}

export class NodeConnections {
  private readonly options: NodeConnectionsOptions
  private gate: ConnectionGate | undefined
  private listeners: readonly string[] = []
  /** Host name of an override → its addresses. */
  private readonly resolved = new Map<string, readonly string[]>()

  constructor(options: NodeConnectionsOptions) {
    this.options = options
  }

  /** What workers say: before anything listens there are no connections. */
  handlers(): [string, MailboxHandler][] {
    return [
      ['connection-opened', (event: ConnectionEvent) => this.gate!.opened(event)],
      ['connection-closed', (event: ConnectionEvent) => this.gate!.closed(event)],
      ['connection-ask', (event: ConnectionEvent) => this.gate!.ask(event)],
    ]
  }

  /** Before any worker listens: names, hosts and ports with how their sockets are made. */
  begin(places: readonly NamedListener[]): ListenCommand[] {
    const { env, configs, callers } = this.options
    this.listeners = places.map(({ name }) => name)
    this.gate = new ConnectionGate({
      env,
      limits: () => this.limits(),
      shed: (worker, count) => callers()[worker]?.notify('shed', count),
    })
    this.resolve()
    const explicit = (name: string): number => (configs().isSet(name) ? Math.max(0, configs().getNumber(name)) : 0)
    // Each worker has a socket of its own for the port: together they hold what the setting says.
    const share = Math.ceil(explicit('socket.listen.backlog.size') / callers().length)
    return places.map((place) => ({
      ...place,
      backlog: share > 0 ? share : DEFAULT_BACKLOG,
      // Kafka's default holds: what is sent stays in the caches until it is taken (reading took a fifth less CPU than where the system tunes it).
      sendBufferBytes: Math.max(0, configs().getNumber('socket.send.buffer.bytes')),
      // It does not here: requests of 256 KiB took half as much CPU again in a small window.
      receiveBufferBytes: explicit('socket.receive.buffer.bytes'),
    }))
  }

  /** Settings of the broker changed. */
  reconfigure(): void {
    this.gate?.reconfigure()
    this.resolve()
  }

  workerGone(worker: number): void {
    this.gate?.workerGone(worker)
  }

  close(): void {
    this.gate?.close()
  }

  private limits(): AdmissionLimits {
    const limits = readAdmissionLimits(this.options.configs(), this.listeners)
    const overrides = new Map(limits.overrides)
    for (const [host, count] of limits.overrides) for (const address of this.resolved.get(host) ?? []) overrides.set(address, count)
    return { ...limits, overrides }
  }

  /** Looks up names that are new; the gate hears of their addresses when they are there. */
  private resolve(): void {
    for (const host of this.limits().overrides.keys()) {
      if (isIP(host) !== 0 || this.resolved.has(host)) continue
      this.resolved.set(host, [])
      lookup(host, { all: true })
        .then((found) => {
          this.resolved.set(
            host,
            found.map(({ address }) => plainAddress(address)),
          )
          this.gate?.reconfigure()
        })
        .catch((error: Error) => {
          this.resolved.delete(host)
          this.options.env.logger.warn(
            { host, error: error.message },
            'a host of max.connections.per.ip.overrides has no address; its limit does not hold. Name the address instead',
          )
        })
    }
  }
}
