// How many client connections each worker of the node has, in memory that all of them see. Balances them; what may connect is `connection-gate`'s.
//
// A worker that is replaced takes its connections with it: its successor begins a new life with none. So whoever counts one at another worker keeps
// the life that it was counted in, and takes it off that one only: a connection may come back after the successor began, and would be one that
// never was there. Room made for connections that are still to leave stands apart, in cells that only the worker writes that they leave, so that
// it is forgotten with that one. Runs on every worker.

/** Which of the workers that had a number one after another. */
export type Life = bigint

const COUNT_BITS = 32n

export class ConnectionCounts {
  /** Of the workers there are. */
  readonly size: number
  readonly worker: number
  private readonly life: Life
  /** By worker: its life in the upper half, how many it has in the lower one, so that both change or are compared at once. */
  private readonly served: BigInt64Array
  /** By the worker that serves them, then by the one that they are to go to. */
  private readonly leaving: Int32Array

  /** Begins a life of `worker`. */
  constructor(memory: SharedArrayBuffer, worker: number) {
    this.size = sizeOf(memory.byteLength)
    this.worker = worker
    this.served = new BigInt64Array(memory, 0, this.size)
    this.leaving = new Int32Array(memory, this.served.byteLength)
    for (let to = 0; to < this.size; to++) Atomics.store(this.leaving, worker * this.size + to, 0)
    this.life = lifeIn(Atomics.load(this.served, worker)) + 1n
    // What others count in between is of the life before.
    Atomics.store(this.served, worker, this.life << COUNT_BITS)
  }

  /** For so many workers; the same for all of a node. */
  static memory(workers: number): SharedArrayBuffer {
    const size = Math.max(1, workers)
    return new SharedArrayBuffer(size * BigInt64Array.BYTES_PER_ELEMENT + size * size * Int32Array.BYTES_PER_ELEMENT)
  }

  /** Those that it serves, that were given to it, and that room was made for there; without those that room was made for elsewhere. */
  of(worker: number): number {
    let count = Number(BigInt.asUintN(Number(COUNT_BITS), Atomics.load(this.served, worker)))
    for (let other = 0; other < this.size; other++) {
      count += Atomics.load(this.leaving, other * this.size + worker) - Atomics.load(this.leaving, worker * this.size + other)
    }
    return count
  }

  /** One more there, in the life that is returned. */
  add(worker: number): Life {
    return lifeIn(Atomics.add(this.served, worker, 1n))
  }

  /** One that was counted there in that life is not there any more. */
  remove(worker: number, life: Life): void {
    for (;;) {
      const before = Atomics.load(this.served, worker)
      if (lifeIn(before) !== life || Atomics.compareExchange(this.served, worker, before, before - 1n) === before) return
    }
  }

  removeOwn(): void {
    this.remove(this.worker, this.life)
  }

  /** One that was counted here in that life was taken here: of the life before, it is counted again. */
  taken(life: Life): void {
    if (life !== this.life) this.add(this.worker)
  }

  /** One of this worker's is to go there: room is made, or (-1) not needed any more. */
  room(worker: number, change: 1 | -1): void {
    Atomics.add(this.leaving, this.worker * this.size + worker, change)
  }
}

function lifeIn(cell: bigint): Life {
  return cell >> COUNT_BITS
}

/** The inverse of `memory`: 8 n + 4 n² bytes. */
function sizeOf(bytes: number): number {
  return Math.sqrt(bytes / 4 + 1) - 1
}
