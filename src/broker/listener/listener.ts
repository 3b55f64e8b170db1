// Accepts connections on one port for one worker and looks after them: shared receive buffer, idle sweep, memory of half-received frames.
// Every worker listens on the same port (SO_REUSEPORT); the kernel spreads the connections.

import { createServer, type Server, type Socket } from 'node:net'
import type { Env, Timer } from '../../env/env.js'
import { BufferPool } from './buffer-pool.js'
import { Connection, type ConnectionLimits, type ConnectionOwner, type RequestHandler } from './connection.js'

/** One buffer for the reads of all connections: it stays in the cache, and a read allocates nothing. */
const RECEIVE_BUFFER_BYTES = 256 * 1024
const IDLE_SWEEP_MS = 10_000

export interface ListenerOptions {
  readonly name: string
  readonly limits: ConnectionLimits
  /** connections.max.idle.ms */
  readonly maxIdleMs: number
  /** Bytes of half-received frames and of unanswered requests over all connections of this worker. */
  readonly maxHeldBytes: number
}

export class Listener implements ConnectionOwner {
  readonly pool = new BufferPool()
  readonly limits: ConnectionLimits
  readonly handler: RequestHandler
  readonly logger
  private readonly env: Env
  private readonly options: ListenerOptions
  private readonly servers: Server[] = []
  private readonly connections = new Set<Connection>()
  /** Connections that must not read on, because half-received frames hold too much. */
  private readonly starved = new Set<Connection>()
  /** Over the limit one connection alone goes on, until its frame is whole: so there is always progress. */
  private privileged: Connection | undefined
  private readonly receiveBuffer = Buffer.allocUnsafeSlow(RECEIVE_BUFFER_BYTES)
  private readonly sweep: Timer
  private heldBytes = 0

  constructor(env: Env, options: ListenerOptions, handler: RequestHandler) {
    this.env = env
    this.options = options
    this.limits = options.limits
    this.handler = handler
    this.logger = env.logger
    this.sweep = env.timers.every(IDLE_SWEEP_MS, () => this.closeIdle())
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
    this.sweep.cancel()
    for (const server of this.servers) server.close()
    for (const connection of this.connections) connection.destroy('the node is stopping')
  }

  monotonic(): number {
    return this.env.clock.monotonic()
  }

  closed(connection: Connection): void {
    this.connections.delete(connection)
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
    for (const connection of this.connections) {
      if (connection.held > (largest?.held ?? 0) && connection.heldSince <= before) largest = connection
    }
    largest?.destroy(
      `its unfinished request holds ${largest.held} bytes while more than millrace.max.buffered.bytes=${this.options.maxHeldBytes} are held`,
    )
  }

  private accept(socket: Socket): void {
    // The server made its own Socket around the handle; ours reads into the shared buffer, so the handle changes hands.
    const holder = socket as unknown as { _handle: unknown }
    const handle = holder._handle
    holder._handle = null
    socket.destroy()
    if (!handle) return
    this.connections.add(new Connection(handle, this.receiveBuffer, this.options.name, this))
  }

  private closeIdle(): void {
    const oldest = this.monotonic() - this.options.maxIdleMs
    for (const connection of this.connections) {
      if (connection.lastActive < oldest) connection.destroy(`idle for more than connections.max.idle.ms=${this.options.maxIdleMs}`)
    }
    this.closeHoarder()
  }
}
