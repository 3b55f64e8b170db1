// The client connections of one worker: its listeners with their limits, what the node says about who may connect, and connections that come from
// and go to other workers. `node-connections` is the other side of it, on the thread coordinator. Runs on every worker.

import type { Env } from '../env/env.js'
import { native } from '../log/native.js'
import type { Caller, MailboxHandler } from '../threads/mailbox.js'
import { type AdmissionLimits, anyLimit, readAdmissionLimits } from './admission-limits.js'
import type { ConfigStore } from './config/config-store.js'
import { ConnectionCounts } from './connection-counts.js'
import type { ConnectionEvent } from './connection-gate.js'
import { ConnectionSharing, type ConnectionSharingOptions } from './connection-sharing.js'
import type { RequestHandler } from './listener/connection.js'
import { type Admission, Listener } from './listener/listener.js'
import { Transfers } from './listener/transfers.js'
import type { ListenCommand } from './messages.js'

/** Unanswered requests of one connection before reading stops. */
const MAX_IN_FLIGHT = 1024

export interface WorkerConnectionsOptions extends Pick<ConnectionSharingOptions, 'peer' | 'sessions'> {
  readonly env: Env
  readonly worker: number
  readonly configs: ConfigStore
  /** As `ConnectionCounts.memory` makes it. */
  readonly counts: SharedArrayBuffer
  readonly main: Caller
  readonly handler: RequestHandler
}

export class WorkerConnections {
  private readonly options: WorkerConnectionsOptions
  private readonly listeners: Listener[] = []
  private readonly sharing: ConnectionSharing
  private readonly transfers: Transfers

  constructor(options: WorkerConnectionsOptions) {
    this.options = options
    const { configs, counts, worker, peer, sessions } = options
    this.transfers = new Transfers(() => configs.getNumber('num.network.threads'))
    this.sharing = new ConnectionSharing({
      counts: new ConnectionCounts(counts, worker),
      peer,
      sessions,
      listens: (name) => this.listeners.some((listener) => listener.name === name),
      adopt: (name, descriptor, carried) => this.listeners.find((listener) => listener.name === name)!.adopt(descriptor, carried),
    })
  }

  /** What the thread coordinator may ask. */
  handlers(): [string, MailboxHandler][] {
    return [
      ['listen', (command: ListenCommand) => this.listen(command)],
      ['shed', (count: number) => this.shed(count)],
    ]
  }

  /** What other workers may. */
  peerHandlers(): [string, MailboxHandler][] {
    return this.sharing.handlers()
  }

  close(): void {
    for (const listener of this.listeners) listener.close()
  }

  private async listen({ name, host, port, backlog, sendBufferBytes, receiveBufferBytes }: ListenCommand): Promise<void> {
    const { env, configs, handler } = this.options
    const listener = new Listener(
      env,
      {
        name,
        limits: {
          maxFrameBytes: configs.getNumber('socket.request.max.bytes'),
          maxInFlight: MAX_IN_FLIGHT,
          maxBufferedBytes: configs.getNumber('millrace.connection.max.buffered.bytes'),
        },
        maxIdleMs: configs.getNumber('connections.max.idle.ms'),
        maxHeldBytes: configs.getNumber('millrace.max.buffered.bytes'),
        admission: this.admission(),
        sharing: this.sharing,
        transfers: this.transfers,
      },
      handler,
    )
    this.listeners.push(listener)
    const [fd] = native().listenSocket(host, port, backlog, false, sendBufferBytes, receiveBufferBytes)
    await listener.listen(fd)
  }

  /** The node counts connections; it is asked before one is opened only while a limit is set. */
  private admission(): Admission {
    const { main, worker, configs } = this.options
    const event = (listener: string, address: string): ConnectionEvent => ({ worker, listener, address })
    const limits = (): AdmissionLimits =>
      readAdmissionLimits(
        configs,
        this.listeners.map(({ name }) => name),
      )
    return {
      ask: (listener, address) => (anyLimit(limits()) ? main.call('connection-ask', event(listener, address)) : undefined),
      opened: (listener, address) => main.notify('connection-opened', event(listener, address)),
      closed: (listener, address) => main.notify('connection-closed', event(listener, address)),
    }
  }

  /** More are open than max.connections allows: those unused for longest go. */
  private shed(count: number): void {
    const all = this.listeners.flatMap((listener) => [...listener.all()]).toSorted((a, b) => a.lastActive - b.lastActive)
    for (const connection of all.slice(0, count)) connection.destroy('max.connections was lowered; it was unused for longest')
  }
}
