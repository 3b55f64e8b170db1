// Which worker serves a client connection. The kernel spreads connections over the workers' listening sockets by a hash of their addresses
// (SO_REUSEPORT), which often gives one of two workers six of eight; Kafka deals them out to its network threads in turn. So a worker that accepts
// one while another has fewer gives it away, before anything is read from it. How many each has stands in memory that all of them see.
// What changes hands is a descriptor, parked in the addon under a number that is never used again: whoever takes it owns it, and a worker
// that ends on the way takes nothing with it. Runs on every worker.

import { native } from '../log/native.js'
import type { Caller, MailboxHandler } from '../threads/mailbox.js'

/** Worker to worker `connection`: one that was accepted there. */
export interface MovedConnection {
  readonly listener: string
  /** Of the addon's `takeDescriptor`. */
  readonly parked: number
}

export interface ConnectionSharingOptions {
  readonly worker: number
  /** As `connectionCounts` makes it, the same for all workers of the node. */
  readonly counts: SharedArrayBuffer
  peer(worker: number): Caller | undefined
  listens(listener: string): boolean
  /** Serves a descriptor as if it had been accepted here, and owns it from now on. */
  adopt(listener: string, descriptor: number): void
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
    const moved: MovedConnection = { listener, parked: native().parkDescriptor(descriptor) }
    this.count(worker, 1)
    const back = (): void => {
      this.count(worker, -1)
      this.takeBack(moved)
    }
    peer.call<boolean>('connection', moved).then((taken) => {
      if (!taken) back()
    }, back)
    return true
  }

  /** A connection of this worker ended, or was not let in. */
  ended(): void {
    this.count(this.options.worker, -1)
  }

  /** False: nothing listens under that name here yet, and it stays parked. */
  private take({ listener, parked }: MovedConnection): boolean {
    if (!this.options.listens(listener)) return false
    const descriptor = native().takeDescriptor(parked)
    if (descriptor >= 0) this.options.adopt(listener, descriptor)
    return true
  }

  /** The other worker did not want it, or ended: it is served here after all. */
  private takeBack({ listener, parked }: MovedConnection): void {
    const descriptor = native().takeDescriptor(parked)
    if (descriptor < 0) return
    this.count(this.options.worker, 1)
    this.options.adopt(listener, descriptor)
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
