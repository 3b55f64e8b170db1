// Which worker serves a client connection. The kernel spreads connections over the workers' listening sockets by a hash of their addresses
// (SO_REUSEPORT), which often gives one of two workers six of eight; Kafka deals them out to its network threads in turn. So a worker that accepts
// one while another has fewer gives it away, before anything is read from it. How many each has stands in memory that all of them see.
// Later a connection goes to the worker that owns most of what it asks for (`listener/connection-affinity`), if that one has no more than this.
// What changes hands is a descriptor, parked in the addon under a number that is never used again: whoever takes it owns it, and a worker
// that ends on the way takes nothing with it. Runs on every worker.

import { native } from '../log/native.js'
import type { FetchSessions, Session } from './handlers/fetch-session.js'
import type { Carried } from './listener/connection.js'
import type { Caller, MailboxHandler } from '../threads/mailbox.js'

/** Worker to worker `connection`: one that was accepted there, or served until now. */
export interface MovedConnection {
  readonly listener: string
  /** Of the addon's `takeDescriptor`. */
  readonly parked: number
  /** Undefined: nothing was read from it. */
  readonly carried?: Carried
  /** The fetch session that its client goes on with. */
  readonly session?: Session | undefined
}

export interface ConnectionSharingOptions {
  readonly worker: number
  /** As `connectionCounts` makes it, the same for all workers of the node. */
  readonly counts: SharedArrayBuffer
  peer(worker: number): Caller | undefined
  listens(listener: string): boolean
  /** Serves a descriptor as if it had been accepted here, and owns it from now on. */
  adopt(listener: string, descriptor: number, carried?: Carried): void
  /** Fetch sessions go with the connection of their client. */
  readonly sessions: Pick<FetchSessions, 'release' | 'adopt'>
}

export function connectionCounts(workers: number): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * Math.max(1, workers))
}

export class ConnectionSharing {
  private readonly options: ConnectionSharingOptions
  private readonly counts: Int32Array

  constructor(options: ConnectionSharingOptions) {
    this.options = options
    this.counts = new Int32Array(options.counts)
    // Those of the worker that was here before went with it.
    Atomics.store(this.counts, options.worker, 0)
  }

  /** This one's number, where there are others. */
  get worker(): number | undefined {
    return this.counts.length > 1 ? this.options.worker : undefined
  }

  handlers(): [string, MailboxHandler][] {
    return [['connection', (moved: MovedConnection) => this.take(moved)]]
  }

  /** A connection was accepted here and is counted, here or where it goes. True: it was given away, and the caller closes its own descriptor. */
  giveAway(listener: string, descriptor: number): boolean {
    const worker = this.least()
    const peer = worker === this.options.worker ? undefined : this.options.peer(worker)
    if (!peer || descriptor < 0) {
      this.count(this.options.worker, 1)
      return false
    }
    this.count(worker, 1)
    this.send(worker, { listener, parked: native().parkDescriptor(descriptor) }, () => {})
    return true
  }

  /** True: that worker has no more than this one, and counts one of this one's from now on. */
  makeRoom(worker: number): boolean {
    const own = this.options.worker
    if (!this.options.peer(worker) || Atomics.load(this.counts, worker) > Atomics.load(this.counts, own)) return false
    this.count(own, -1)
    this.count(worker, 1)
    return true
  }

  /** One for which there was made room goes: the caller closes its own descriptor. `settled`: it is served there, or here again. */
  move(listener: string, worker: number, descriptor: number, carried: Carried, settled: () => void): void {
    const session = this.options.sessions.release(carried.affinity.fetchSession)
    this.send(worker, { listener, parked: native().parkDescriptor(descriptor), carried, session }, settled)
  }

  /** A connection of this worker ended, or was not let in. `countedAt`: where room was made for it. */
  ended(countedAt = this.options.worker): void {
    this.count(countedAt, -1)
  }

  /** It is counted there. */
  private send(worker: number, moved: MovedConnection, settled: () => void): void {
    const back = (): void => {
      this.count(worker, -1)
      this.takeBack(moved)
    }
    const sent = this.options.peer(worker)?.call<boolean>('connection', moved) ?? Promise.resolve(false)
    void sent.then((taken) => taken || back(), back).then(settled)
  }

  /** False: nothing listens under that name here yet, and it stays parked. */
  private take(moved: MovedConnection): boolean {
    if (!this.options.listens(moved.listener)) return false
    const descriptor = native().takeDescriptor(moved.parked)
    if (descriptor >= 0) this.adopt(moved, descriptor)
    return true
  }

  /** The other worker did not want it, or ended: it is served here after all. */
  private takeBack(moved: MovedConnection): void {
    const descriptor = native().takeDescriptor(moved.parked)
    if (descriptor < 0) return
    this.count(this.options.worker, 1)
    this.adopt(moved, descriptor)
  }

  private adopt({ listener, carried, session }: MovedConnection, descriptor: number): void {
    if (session) this.options.sessions.adopt(session)
    this.options.adopt(listener, descriptor, carried)
  }

  /** This one, unless another has fewer. */
  private least(): number {
    let best = this.options.worker
    for (let worker = 0; worker < this.counts.length; worker++) {
      if (Atomics.load(this.counts, worker) < Atomics.load(this.counts, best)) best = worker
    }
    return best
  }

  private count(worker: number, by: number): void {
    Atomics.add(this.counts, worker, by)
  }
}
