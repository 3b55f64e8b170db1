// Which worker serves a client connection. The kernel spreads connections over the workers' listening sockets by a hash of their addresses
// (SO_REUSEPORT), which often gives one of two workers six of eight; Kafka deals them out to its network threads in turn. So a worker that accepts
// one while another has fewer (`connection-counts`) gives it away, before anything is read from it.
// Later a connection goes to the worker that owns most of what it asks for (`listener/connection-affinity`), if that one has no more than this.
// What changes hands is a descriptor, parked in the addon under a number that is never used again: whoever takes it owns it, and a worker
// that ends on the way takes nothing with it. Runs on every worker.

import { native } from '../log/native.js'
import type { ConnectionCounts, Life } from './connection-counts.js'
import type { FetchSessions, Session } from './handlers/fetch-session.js'
import type { Carried } from './listener/connection.js'
import type { Caller, MailboxHandler } from '../threads/mailbox.js'

/** Worker to worker `connection`: one that was accepted there, or served until now. */
export interface MovedConnection {
  readonly listener: string
  /** Of the addon's `takeDescriptor`. */
  readonly parked: number
  /** Of the worker that it goes to, as it was counted there. */
  readonly life: Life
  /** Undefined: nothing was read from it. */
  readonly carried?: Carried
  /** The fetch session that its client goes on with. */
  readonly session?: Session | undefined
}

export interface ConnectionSharingOptions {
  /** Of this worker's life. */
  readonly counts: ConnectionCounts
  peer(worker: number): Caller | undefined
  listens(listener: string): boolean
  /** Serves a descriptor as if it had been accepted here, and owns it from now on. */
  adopt(listener: string, descriptor: number, carried?: Carried): void
  /** Fetch sessions go with the connection of their client. */
  readonly sessions: Pick<FetchSessions, 'release' | 'adopt'>
}

export class ConnectionSharing {
  private readonly options: ConnectionSharingOptions
  private readonly counts: ConnectionCounts

  constructor(options: ConnectionSharingOptions) {
    this.options = options
    this.counts = options.counts
  }

  /** This one's number, where there are others. */
  get worker(): number | undefined {
    return this.counts.size > 1 ? this.counts.worker : undefined
  }

  handlers(): [string, MailboxHandler][] {
    return [['connection', (moved: MovedConnection) => this.take(moved)]]
  }

  /** A connection was accepted here and is counted, here or where it goes. True: it was given away, and the caller closes its own descriptor. */
  giveAway(listener: string, descriptor: number): boolean {
    const worker = this.least()
    const peer = worker === this.counts.worker ? undefined : this.options.peer(worker)
    if (!peer || descriptor < 0) {
      this.counts.add(this.counts.worker)
      return false
    }
    this.send(worker, { listener, parked: native().parkDescriptor(descriptor), life: this.counts.add(worker) }, () => {})
    return true
  }

  /** True: that worker has no more than this one, and one of this one's counts as its from now on. */
  makeRoom(worker: number): boolean {
    const { counts } = this
    if (!this.options.peer(worker) || counts.of(worker) > counts.of(counts.worker)) return false
    counts.room(worker, 1)
    return true
  }

  /** One for which there was made room goes: the caller closes its own descriptor. `settled`: it is served there, or here again. */
  move(listener: string, worker: number, descriptor: number, carried: Carried, settled: () => void): void {
    const session = this.options.sessions.release(carried.affinity.fetchSession)
    const life = this.counts.add(worker)
    this.ended(worker)
    this.send(worker, { listener, parked: native().parkDescriptor(descriptor), life, carried, session }, settled)
  }

  /** A connection of this worker ended, or was not let in. `roomAt`: where room was made for it. */
  ended(roomAt?: number): void {
    if (roomAt !== undefined) this.counts.room(roomAt, -1)
    this.counts.removeOwn()
  }

  /** It is counted there. */
  private send(worker: number, moved: MovedConnection, settled: () => void): void {
    const back = (): void => {
      this.counts.remove(worker, moved.life)
      this.takeBack(moved)
    }
    const sent = this.options.peer(worker)?.call<boolean>('connection', moved) ?? Promise.resolve(false)
    void sent.then((taken) => taken || back(), back).then(settled)
  }

  /** False: nothing listens under that name here yet, and it stays parked. */
  private take(moved: MovedConnection): boolean {
    if (!this.options.listens(moved.listener)) return false
    const descriptor = native().takeDescriptor(moved.parked)
    if (descriptor < 0) return true
    this.counts.taken(moved.life)
    this.adopt(moved, descriptor)
    return true
  }

  /** The other worker did not want it, or ended: it is served here after all. */
  private takeBack(moved: MovedConnection): void {
    const descriptor = native().takeDescriptor(moved.parked)
    if (descriptor < 0) return
    this.counts.add(this.counts.worker)
    this.adopt(moved, descriptor)
  }

  private adopt({ listener, carried, session }: MovedConnection, descriptor: number): void {
    if (session) this.options.sessions.adopt(session)
    this.options.adopt(listener, descriptor, carried)
  }

  /** This one, unless another has fewer. */
  private least(): number {
    const { counts } = this
    let best = counts.worker
    let fewest = counts.of(best)
    for (let worker = 0; worker < counts.size; worker++) {
      const count = counts.of(worker)
      if (count < fewest) [best, fewest] = [worker, count]
    }
    return best
  }
}
