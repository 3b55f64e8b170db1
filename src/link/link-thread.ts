// The link thread as the thread coordinator sees it: starts it, gives each thread of the node a door to it, and starts another when it ends. What
// it was told (peers, placement, doors) is kept here for the next one. Runs on the thread coordinator.

import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import type { Env } from '../env/env.js'
import type { Uuid } from '../model/topic-partition.js'
import type { LinkDoor } from './door.js'
import { PortDoor } from './port-door.js'
import { topicKey } from './request-body.js'
import { COORDINATOR } from './router-door.js'
import { checkLinkSettings, defaultLinkSettings, type LinkSettings, type LinkTls, type PeerAddress } from './settings.js'
import type { LinkStats, LinkThreadCommand, LinkThreadInit, LinkThreadReport } from './thread-messages.js'

export interface LinkThreadOptions {
  readonly env: Env
  readonly nodeId: number
  /** Asked each time a thread starts. */
  clusterId(): string
  /** null: this cluster has none, and nodes that have one are refused. */
  readonly secret: string | null
  /** null: this node is not dialed. Port 0: any; `port` says which. */
  readonly listen: PeerAddress | null
  readonly tls?: LinkTls | null
  readonly settings?: Partial<LinkSettings>
  readonly logLevel?: string
  /**
   * There is another link thread: this port is worker `worker`'s way to it, for its door's `attach`. Also called once for each worker that was
   * attached before.
   */
  onWorkerPort(worker: number, port: MessagePort): void
}

/** A thread that lived shorter than this is not started again at once. */
const YOUNG_MS = 2000
const RETRY_AFTER_MS = 1000
/** How long the end of the process waits for the listening app to close. */
const EXIT_WAIT_MS = 1000

export class LinkThread {
  /** The thread coordinator's own way to its peers. */
  readonly door: LinkDoor
  private readonly options: LinkThreadOptions
  private readonly settings: LinkSettings
  private readonly ownDoor: PortDoor
  private readonly workers = new Set<number>()
  private readonly placement = new Map<string, Int16Array>()
  private readonly waitingStats = new Map<number, (stats: LinkStats | null) => void>()
  private peers: ReadonlyMap<number, PeerAddress> = new Map()
  private thread: Worker | undefined
  private closedFlag = new SharedArrayBuffer(4)
  private listening = 0
  private nextStats = 1
  private closing = false
  private readonly beforeExit = (): void => this.closeNow()

  private constructor(options: LinkThreadOptions) {
    this.options = options
    this.settings = { ...defaultLinkSettings, ...options.settings }
    checkLinkSettings(this.settings)
    this.ownDoor = new PortDoor(options.env)
    this.door = this.ownDoor
  }

  /** Rejects when it cannot listen. */
  static async start(options: LinkThreadOptions): Promise<LinkThread> {
    const link = new LinkThread(options)
    process.on('exit', link.beforeExit)
    try {
      await link.run()
    } catch (error) {
      await link.close()
      throw error
    }
    return link
  }

  /** 0 while this node does not listen. */
  get port(): number {
    return this.listening
  }

  /** A new worker, or one in the place of one that died: the port is for its door's `attach`. */
  attachWorker(worker: number): MessagePort {
    this.workers.add(worker)
    return this.connect(worker)
  }

  /** Whom to dial: all of them, each time. Those left out are left. */
  setPeers(peers: ReadonlyMap<number, PeerAddress>): void {
    this.peers = new Map(peers)
    this.tell({ kind: 'peers', peers: this.peers })
  }

  /** Which worker has which partition (as threads/placement.ts has it); null: the topic is gone. */
  setPlacement(topicId: Uuid, owners: Int16Array | null): void {
    const key = topicKey(topicId)
    if (owners) this.placement.set(key, owners)
    else this.placement.delete(key)
    this.tell({ kind: 'placement', key, owners })
  }

  /** null: there is no link thread at the moment. */
  stats(): Promise<LinkStats | null> {
    if (!this.thread) return Promise.resolve(null)
    const id = this.nextStats++
    return new Promise((resolve) => {
      this.waitingStats.set(id, resolve)
      this.tell({ kind: 'stats', id })
    })
  }

  /** Ends the link thread as a bug in it would. For tests of its replacement. */
  fail(): void {
    this.tell({ kind: 'fail' })
  }

  async close(): Promise<void> {
    this.closing = true
    this.ownDoor.close()
    const { thread } = this
    if (thread) {
      thread.ref()
      const ended = new Promise<void>((resolve) => thread.once('exit', () => resolve()))
      this.tell({ kind: 'close' })
      await ended
    }
    process.off('exit', this.beforeExit)
  }

  private tell(command: LinkThreadCommand, moved: readonly MessagePort[] = []): void {
    this.thread?.postMessage(command, moved)
  }

  private connect(door: number): MessagePort {
    const { port1, port2 } = new MessageChannel()
    if (this.thread) this.tell({ kind: 'attach', door, port: port1 }, [port1])
    // The next link thread will bring another.
    else port1.close()
    return port2
  }

  /** Starts a thread and tells it everything. Resolves when it listens. */
  private async run(): Promise<void> {
    const { options, settings } = this
    const { nodeId, secret, env } = options
    this.closedFlag = new SharedArrayBuffer(4)
    // Port 0 was resolved by the first thread: peers know that port.
    const listen = options.listen && { host: options.listen.host, port: this.listening || options.listen.port }
    const workerData: LinkThreadInit = {
      nodeId,
      clusterId: options.clusterId(),
      secret,
      listen,
      tls: options.tls ?? null,
      settings,
      logLevel: options.logLevel ?? 'silent',
      closed: this.closedFlag,
    }
    const started = env.clock.monotonic()
    const thread = new Worker(new URL('./thread-entry.js', import.meta.url), { name: 'millrace-link', workerData, execArgv: [] })
    this.thread = thread
    this.ownDoor.attach(this.connect(COORDINATOR))
    for (const [key, owners] of this.placement) this.tell({ kind: 'placement', key, owners })
    if (this.peers.size > 0) this.tell({ kind: 'peers', peers: this.peers })
    for (const worker of this.workers) options.onWorkerPort(worker, this.connect(worker))
    await new Promise<void>((resolve, reject) => {
      thread.on('message', (message: LinkThreadReport) => {
        if (message.kind === 'listening') {
          this.listening = message.port ?? 0
          resolve()
        } else this.reported(message, reject)
      })
      thread.on('error', (error: Error) => env.logger.error({ error: error.stack ?? error.message }, 'the link thread failed'))
      thread.on('exit', (code) => {
        reject(new Error(`the link thread ended with code ${code} before it listened`))
        this.ended(thread, code, env.clock.monotonic() - started)
      })
    })
    // Links alone do not keep a process alive.
    thread.unref()
  }

  private reported(message: LinkThreadReport, reject: (error: Error) => void): void {
    if (message.kind === 'cannotListen') reject(new Error(message.message))
    else if (message.kind === 'failed') this.options.env.logger.error({ error: message.message }, 'the link thread failed')
    else if (message.kind === 'stats') {
      this.waitingStats.get(message.id)?.(message.stats)
      this.waitingStats.delete(message.id)
    }
  }

  private ended(thread: Worker, code: number, livedMs: number): void {
    if (this.thread === thread) this.thread = undefined
    for (const resolve of this.waitingStats.values()) resolve(null)
    this.waitingStats.clear()
    if (this.closing) return
    const { env } = this.options
    env.logger.warn({ code, livedMs }, 'the link thread ended; another takes its place')
    env.timers.after(livedMs > YOUNG_MS ? 0 : RETRY_AFTER_MS, () => this.restart())
  }

  private restart(): void {
    if (this.closing) return
    const { env } = this.options
    this.run().catch((error: Error) => {
      env.logger.error({ error: error.message }, 'the link thread could not start again')
      // One that cannot listen ends, and is replaced in its turn.
      this.tell({ kind: 'fail' })
    })
  }

  /** The process ends: without this the listening app would turn a clean end into an abort. */
  private closeNow(): void {
    if (!this.thread) return
    this.tell({ kind: 'close' })
    Atomics.wait(new Int32Array(this.closedFlag), 0, 0, EXIT_WAIT_MS)
  }
}
