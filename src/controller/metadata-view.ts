// The metadata image of a node, kept from the znodes of the ensemble: on every node, on the thread coordinator. It
// only reads. Persistent recursive watches tell which znodes changed; what they hold is read again, and only then
// counts. So events are hints and versions (mzxid) are the truth: an event for a version that was read already costs
// nothing, and after a session was suspended or replaced every znode's version is compared.
//
// Changes are published in the order of their zxids. A round takes the znodes that events named, reads them, and
// publishes under the highest zxid Z of those events once every event up to Z has come: answers follow events on a
// session, so after a read that began after Z's event no more of them can.

import type { Env, Timer } from '../env/env.js'
import { ZkCode } from '../ensemble/tree/codes.js'
import type { WatchEvent } from '../ensemble/tree/types.js'
import { isZnodeError, type ClientState, type Watch, type ZnodeClient } from '../ensemble/znode-client.js'
import type { MetadataListener } from './controller-api.js'
import type { MetadataImage } from './image.js'
import { MetadataNodes, type HeldNode, type UnfinishedTopic } from './metadata-nodes.js'

/** Roots with a recursive watch. What stands under them and means nothing to the image is not read. */
const WATCHED = ['/brokers', '/config', '/controller', '/controller_epoch', '/feature', '/cluster'] as const
/** How long an event may take before the member is asked to catch up. */
const EVENT_PATIENCE_MS = 100
const RETRY_MS = 200

interface Waiter {
  readonly zxid: bigint
  resolve(): void
  reject(error: Error): void
}

export interface MetadataViewOptions {
  readonly client: ZnodeClient
  readonly env: Env
}

export class MetadataView {
  readonly #env: Env
  readonly #nodes = new MetadataNodes()
  readonly #listeners = new Set<MetadataListener>()
  #client: ZnodeClient
  #watches: Watch[] = []
  #offState: () => void = () => undefined
  /** Path → zxid of the newest event; 0n where the event had none. */
  #dirty = new Map<string, bigint>()
  #running: Promise<void> | null = null
  /** Everything has to be compared by version. */
  #stale = false
  #waiters: Waiter[] = []
  #patience: Timer | null = null
  #closed = false

  private constructor({ client, env }: MetadataViewOptions) {
    this.#env = env
    this.#client = client
  }

  static async open(options: MetadataViewOptions): Promise<MetadataView> {
    const view = new MetadataView(options)
    await view.#follow(options.client)
    return view
  }

  get image(): MetadataImage {
    return this.#nodes.image
  }

  /** The znode as last read. */
  node(path: string): HeldNode | undefined {
    return this.#nodes.get(path)
  }

  leftovers(): { readonly topics: readonly UnfinishedTopic[]; readonly buckets: readonly string[] } {
    return this.#nodes.leftovers()
  }

  /** `listener` hears every change after this call; the image so far is `image`. Returns the way to stop. */
  onChange(listener: MetadataListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves when everything up to `zxid` is in the image. Rejects when the view is closed before. */
  reached(zxid: bigint): Promise<void> {
    if (zxid <= this.image.zxid) return Promise.resolve()
    if (this.#closed) return Promise.reject(new Error('the metadata view is closed'))
    return new Promise((resolve, reject) => {
      this.#waiters.push({ zxid, resolve, reject })
      this.#beImpatient()
    })
  }

  /** A session that replaces one that ended. Everything is compared by version. */
  async attach(client: ZnodeClient): Promise<void> {
    this.#detach()
    await this.#follow(client)
  }

  /** The member is asked to catch up, then everything is compared by version. Resolves when the image has it. */
  async refresh(): Promise<void> {
    this.#stale = true
    await this.#client.sync('/')
    await this.#run()
  }

  close(): void {
    this.#closed = true
    this.#detach()
    this.#patience?.cancel()
    for (const waiter of this.#waiters.splice(0)) waiter.reject(new Error('the metadata view is closed'))
    this.#listeners.clear()
  }

  #detach(): void {
    this.#offState()
    for (const watch of this.#watches.splice(0)) watch.remove()
  }

  async #follow(client: ZnodeClient): Promise<void> {
    this.#client = client
    this.#offState = client.onState((state) => this.#sessionChanged(client, state))
    this.#stale = true
    // Watches BEFORE the read: what changes during it is read again.
    const watches = await Promise.all(WATCHED.map((path) => client.addWatch(path, 'recursive', (event) => this.#heard(event))))
    this.#watches.push(...watches)
    await this.#run()
  }

  #sessionChanged(client: ZnodeClient, state: ClientState): void {
    if (client !== this.#client || this.#closed) return
    if (state === 'suspended') this.#stale = true
    else if (state === 'connected' && this.#stale) this.#kick()
  }

  #heard(event: WatchEvent): void {
    if (this.#closed) return
    this.#dirty.set(event.path, event.zxid > 0n ? event.zxid : 0n)
    this.#kick()
  }

  /** A round that fails is repeated after a pause: what it did not read stays to be read. */
  #kick(): void {
    void this.#run().catch((error: Error) => {
      this.#stale = true
      if (this.#closed || this.#client.state === 'expired' || this.#client.state === 'closed') return
      this.#env.logger.debug({ error: error.message }, 'the metadata could not be read; it is tried again')
      if (this.#client.state === 'connected') this.#env.timers.after(RETRY_MS, () => this.#kick())
    })
  }

  #run(): Promise<void> {
    this.#running ??= this.#rounds().finally(() => {
      this.#running = null
    })
    return this.#running
  }

  async #rounds(): Promise<void> {
    // The events of one turn make one round.
    await Promise.resolve()
    while (!this.#closed && (this.#stale || this.#dirty.size > 0)) {
      if (this.#stale) await this.#readAll()
      else await this.#readDirty()
    }
  }

  async #readDirty(): Promise<void> {
    let until = 0n
    for (const zxid of this.#dirty.values()) if (zxid > until) until = zxid
    await this.#drain(until)
    this.#publish(until)
  }

  /** Reads what events named, until none up to `until` is left. */
  async #drain(until: bigint): Promise<void> {
    while ([...this.#dirty.values()].some((zxid) => zxid <= until)) {
      const paths = [...this.#dirty]
      this.#dirty = new Map()
      try {
        await Promise.all(paths.map(([path, zxid]) => this.#readIfNewer(path, zxid)))
      } catch (error) {
        for (const [path, zxid] of paths) if (!this.#dirty.has(path)) this.#dirty.set(path, zxid)
        throw error
      }
    }
  }

  async #readIfNewer(path: string, zxid: bigint): Promise<void> {
    const known = this.#nodes.get(path)
    if (known && zxid > 0n && known.mzxid >= zxid) {
      // Read at this version or a later one, and if it is gone since, that event is on its way.
      await this.#client.exists('/')
      return
    }
    await this.#read(path)
  }

  async #read(path: string): Promise<bigint> {
    try {
      const { data, stat } = await this.#client.getData(path)
      this.#nodes.put(path, data, stat)
      return stat.mzxid > stat.pzxid ? stat.mzxid : stat.pzxid
    } catch (error) {
      if (!isZnodeError(error, ZkCode.noNode)) throw error
      this.#nodes.remove(path)
      return 0n
    }
  }

  /** Walks the watched subtrees, comparing versions; reads the data of what is new or changed. */
  async #readAll(): Promise<void> {
    this.#stale = false
    this.#dirty = new Map()
    const found = new Set<string>()
    try {
      const zxids = await Promise.all(WATCHED.map((path) => this.#walk(path, found)))
      for (const path of this.#nodes.paths()) if (!found.has(path)) this.#nodes.remove(path)
      const newest = zxids.reduce((a, b) => (a > b ? a : b), 0n)
      // What changed while the walk went on.
      await this.#drain(newest)
      this.#publish(newest)
    } catch (error) {
      this.#stale = true
      throw error
    }
  }

  /** The highest zxid seen in the subtree. */
  async #walk(path: string, found: Set<string>): Promise<bigint> {
    const stat = await this.#client.exists(path)
    if (!stat) return 0n
    found.add(path)
    const known = this.#nodes.get(path)
    let newest = stat.mzxid > stat.pzxid ? stat.mzxid : stat.pzxid
    if (known?.mzxid !== stat.mzxid || known.czxid !== stat.czxid) {
      const read = await this.#read(path)
      if (read > newest) newest = read
    }
    if (stat.numChildren === 0) return newest
    const { names } = await this.#childrenOf(path)
    const below = await Promise.all(names.sort().map((name) => this.#walk(`${path}/${name}`, found)))
    return below.reduce((a, b) => (a > b ? a : b), newest)
  }

  async #childrenOf(path: string): Promise<{ readonly names: string[] }> {
    try {
      return await this.#client.getChildren(path)
    } catch (error) {
      if (isZnodeError(error, ZkCode.noNode)) return { names: [] }
      throw error
    }
  }

  #publish(zxid: bigint): void {
    const changes = this.#nodes.commit(zxid)
    if (changes.length > 0) for (const listener of this.#listeners) listener(this.image.zxid, changes)
    const waiting = this.#waiters
    this.#waiters = waiting.filter((waiter) => waiter.zxid > this.image.zxid)
    for (const waiter of waiting) if (waiter.zxid <= this.image.zxid) waiter.resolve()
    if (this.#waiters.length === 0) {
      this.#patience?.cancel()
      this.#patience = null
    }
  }

  /** Not every change has an event here: after a while the member is asked to catch up, and then all of it was seen. */
  #beImpatient(): void {
    this.#patience ??= this.#env.timers.after(EVENT_PATIENCE_MS, () => {
      this.#patience = null
      void this.#catchUp().catch((error: Error) => {
        this.#env.logger.debug({ error: error.message }, 'the ensemble did not answer a sync')
        if (!this.#closed && this.#waiters.length > 0) this.#beImpatient()
      })
    })
  }

  async #catchUp(): Promise<void> {
    let until = 0n
    for (const { zxid } of this.#waiters) if (zxid > until) until = zxid
    await this.#client.sync('/')
    // Everything up to `until` is on this member, and its events came before this answer.
    await this.#client.exists('/')
    await this.#run()
    this.#publish(until)
  }
}
