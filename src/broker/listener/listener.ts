// Accepts connections on one port for one worker and looks after them: shared receive buffer, idle sweep, memory of half-received frames.
// Every worker listens on the same port (SO_REUSEPORT); the kernel spreads the connections, and workers that have more give new ones away.

import { createServer, type Server, Socket } from 'node:net'
import type { Env, Timer } from '../../env/env.js'
import { BufferPool } from '../../env/buffer-pool.js'
import { type Carried, Connection, type ConnectionLimits, type ConnectionOwner, type RequestHandler } from './connection.js'
import type { Transfers } from './transfers.js'

/** One buffer for the reads of all connections: it stays in the cache, and a read allocates nothing. */
const RECEIVE_BUFFER_BYTES = 256 * 1024
const IDLE_SWEEP_MS = 10_000

/** Who may connect, as the node decides it over all workers. */
export interface Admission {
  /** Undefined: nothing limits connections, open it and say so. Else true: it is counted already; false: close it. */
  ask(listener: string, address: string): Promise<boolean> | undefined
  opened(listener: string, address: string): void
  closed(listener: string, address: string): void
}

/** Which worker serves what was accepted here. */
export interface Sharing {
  /** This one's number, where there are others. */
  readonly worker: number | undefined
  /** True: another worker does, with a descriptor of its own. Else it is counted as one of this worker's. */
  giveAway(listener: string, descriptor: number): boolean
  /** True: there is room for one of this worker's at that one, as whose it counts from now on. */
  makeRoom(worker: number): boolean
  /** One for which there was made room goes, with a descriptor of its own. `settled`: it is served there, or here again. */
  move(listener: string, worker: number, descriptor: number, carried: Carried, settled: () => void): void
  /** One of this worker's ended, or was not let in. `roomAt`: where room was made for it. */
  ended(roomAt?: number): void
}

/** libuv's handle of an accepted socket, before a Connection has it. */
interface AcceptedHandle {
  readonly fd: number
  close(): void
}

export interface ListenerOptions {
  readonly name: string
  readonly limits: ConnectionLimits
  /** connections.max.idle.ms */
  readonly maxIdleMs: number
  /** Bytes of half-received frames and of unanswered requests over all connections of this worker. */
  readonly maxHeldBytes: number
  readonly admission: Admission
  readonly sharing: Sharing
  /** Of this worker; all its listeners have one. */
  readonly transfers: Transfers
}

export class Listener implements ConnectionOwner {
  readonly pool = new BufferPool()
  readonly limits: ConnectionLimits
  readonly handler: RequestHandler
  readonly logger
  private readonly env: Env
  private readonly options: ListenerOptions
  private readonly servers: Server[] = []
  /** Connection → the address it was counted under. */
  private readonly connections = new Map<Connection, string>()
  /** Accepted by the system, and waiting for the node to let them in: nothing is read from them. */
  private readonly waiting = new Set<AcceptedHandle>()
  /** Connections that must not read on, because half-received frames hold too much. */
  private readonly starved = new Set<Connection>()
  /** Over the limit one connection alone goes on, until its frame is whole: so there is always progress. */
  private privileged: Connection | undefined
  private readonly receiveBuffer = Buffer.allocUnsafeSlow(RECEIVE_BUFFER_BYTES)
  private readonly sweep: Timer
  private heldBytes = 0
  private stopped = false

  constructor(env: Env, options: ListenerOptions, handler: RequestHandler) {
    this.env = env
    this.options = options
    this.limits = options.limits
    this.handler = handler
    this.logger = env.logger
    this.sweep = env.timers.every(IDLE_SWEEP_MS, () => this.closeIdle())
  }

  get name(): string {
    return this.options.name
  }

  get connectionCount(): number {
    return this.connections.size
  }

  /** Takes over a listening descriptor. */
  listen(fd: number): Promise<void> {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: false }, (socket) => this.accept(socket))
    this.servers.push(server)
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen({ fd }, () => {
        server.off('error', reject)
        server.on('error', (error) => this.logger.error({ error: error.message }, 'the listener reports an error'))
        resolve()
      })
    })
  }

  close(): void {
    this.stopped = true
    this.sweep.cancel()
    for (const server of this.servers) server.close()
    for (const handle of this.waiting) handle.close()
    this.waiting.clear()
    for (const connection of this.connections.keys()) connection.destroy('the node is stopping')
  }

  monotonic(): number {
    return this.env.clock.monotonic()
  }

  closed(connection: Connection): void {
    const address = this.connections.get(connection)
    this.connections.delete(connection)
    if (address !== undefined) {
      this.options.admission.closed(this.options.name, address)
      this.options.sharing.ended(connection.leavingTo)
    }
    this.forget(connection)
  }

  get transfers(): Transfers {
    return this.options.transfers
  }

  get worker(): number | undefined {
    return this.options.sharing.worker
  }

  mayLeave(worker: number): boolean {
    return this.options.sharing.makeRoom(worker)
  }

  left(connection: Connection, worker: number, descriptor: number, carried: Carried): void {
    const { name, admission, sharing } = this.options
    const address = this.connections.get(connection) ?? ''
    this.connections.delete(connection)
    this.forget(connection)
    this.logger.debug({ client: address, worker }, 'connection goes to the worker that owns what it asks for')
    // Only then: it must not make room for one more than the limit in between.
    sharing.move(name, worker, descriptor, carried, () => admission.closed(name, address))
  }

  private forget(connection: Connection): void {
    this.starved.delete(connection)
    if (this.privileged === connection) this.privileged = undefined
    this.wakeStarved()
  }

  held(connection: Connection, change: number): boolean {
    this.heldBytes += change
    if (change < 0) {
      if (this.privileged === connection) this.privileged = undefined
      this.wakeStarved()
      return true
    }
    if (change === 0 || this.heldBytes <= this.options.maxHeldBytes || connection === this.privileged) return true
    if (!this.privileged) {
      this.privileged = connection
      return true
    }
    this.starved.add(connection)
    return false
  }

  private wakeStarved(): void {
    for (const connection of this.starved) {
      if (this.heldBytes > this.options.maxHeldBytes) {
        if (this.privileged) return
        this.privileged = connection
      }
      this.starved.delete(connection)
      connection.resumeReading()
    }
  }

  /** Whoever keeps others from reading with a frame that does not get finished is closed, the largest first. */
  private closeHoarder(): void {
    if (this.heldBytes <= this.options.maxHeldBytes) return
    const before = this.monotonic() - IDLE_SWEEP_MS
    let largest: Connection | undefined
    for (const connection of this.connections.keys()) {
      if (connection.held > (largest?.held ?? 0) && connection.heldSince <= before) largest = connection
    }
    largest?.destroy(
      `its unfinished request holds ${largest.held} bytes while more than millrace.max.buffered.bytes=${this.options.maxHeldBytes} are held`,
    )
  }

  /** One that another worker accepted, or served until now: then it was let in there. The descriptor is this listener's from now on. */
  adopt(descriptor: number, carried?: Carried): void {
    const socket = new Socket({ fd: descriptor, pauseOnCreate: true, manualStart: true } as never)
    const address = plainAddress(socket.remoteAddress ?? '')
    const handle = handleOf(socket)
    if (!handle || this.stopped) {
      handle?.close()
      this.options.sharing.ended()
    } else if (carried) this.letIn(handle, address, carried)
    else this.admit(handle, address)
  }

  private accept(socket: Socket): void {
    const address = plainAddress(socket.remoteAddress ?? '')
    const handle = handleOf(socket)
    if (!handle) return
    if (this.options.sharing.giveAway(this.options.name, handle.fd)) handle.close()
    else this.admit(handle, address)
  }

  private admit(handle: AcceptedHandle, address: string): void {
    const { name, admission } = this.options
    const asked = admission.ask(name, address)
    if (!asked) {
      this.letIn(handle, address)
      return
    }
    this.waiting.add(handle)
    asked
      .then((granted) => this.decided(handle, address, granted))
      .catch((error: unknown) => {
        this.logger.warn({ client: address, error: (error as Error).message }, 'whether a client may connect could not be asked')
        this.decided(handle, address, false)
      })
  }

  private decided(handle: AcceptedHandle, address: string, granted: boolean): void {
    const { name, admission } = this.options
    // Not there any more: the listener was closed, and the handle with it.
    const waited = this.waiting.delete(handle)
    if (waited && granted) this.open(handle, address)
    else if (waited) {
      this.logger.debug({ client: address }, 'connection refused: max.connections.per.ip, or too many wait for max.connections or a rate')
      handle.close()
      this.options.sharing.ended()
    } else if (granted) admission.closed(name, address)
  }

  private letIn(handle: AcceptedHandle, address: string, carried?: Carried): void {
    this.options.admission.opened(this.options.name, address)
    this.open(handle, address, carried)
  }

  private open(handle: AcceptedHandle, address: string, carried?: Carried): void {
    this.connections.set(new Connection(handle, this.receiveBuffer, this.options.name, this, carried), address)
  }

  /** All there are, for who has to choose among several listeners. */
  all(): Iterable<Connection> {
    return this.connections.keys()
  }

  private closeIdle(): void {
    const oldest = this.monotonic() - this.options.maxIdleMs
    for (const connection of this.connections.keys()) {
      if (connection.lastActive < oldest) connection.destroy(`idle for more than connections.max.idle.ms=${this.options.maxIdleMs}`)
    }
    this.closeHoarder()
  }
}

/** Node made its own Socket around the handle; ours reads into the shared buffer, so the handle changes hands. */
function handleOf(socket: Socket): AcceptedHandle | null {
  const holder = socket as unknown as { _handle: AcceptedHandle | null }
  const handle = holder._handle
  holder._handle = null
  socket.destroy()
  return handle
}

/** One spelling of an address: IPv4 that came through an IPv6 socket is IPv4. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}
