// How a learner's log is brought to its leader's: cut to what both have, then the rest; or a snapshot when that lies too far back. Proposals go out
// behind it. Part of the leader's state machine: no I/O, no clock.

import type { Core } from './core.js'
import type { Learner } from './learner.js'
import type { Entry } from './log-window.js'

const CHUNK_BYTES = 256 * 1024
/** Chunks of a snapshot on the way to one learner. */
const CHUNKS_AHEAD = 4

export class Feeding {
  readonly #core: Core
  readonly #epoch: () => number

  constructor(core: Core, epoch: () => number) {
    this.#core = core
    this.#epoch = epoch
  }

  /** It promised the epoch, and said what it has. */
  feed(id: number, learner: Learner): void {
    const { base, ends } = learner.promise!
    const common = this.#core.log.commonWith(ends, base)
    if (common === null) {
      this.#askForSnapshot(id, learner)
      return
    }
    if (common !== ends[0]?.last) this.#core.send(id, { kind: 'truncate', epoch: this.#epoch(), after: common })
    this.#feedFrom(id, learner, common)
  }

  /** The edge encoded the tree as of `zxid`. */
  snapshot(id: number, learner: Learner, zxid: bigint, bytes: Uint8Array): void {
    if (learner.state !== 'snapshot' || learner.snapshot?.bytes) return
    learner.snapshot = { zxid, bytes, sent: 0 }
    this.sendChunks(id, learner, 0)
  }

  /** So many bytes of its snapshot are there. */
  sendChunks(id: number, learner: Learner, acknowledged: number): void {
    const { snapshot } = learner
    if (!snapshot?.bytes) return
    const { zxid, bytes } = snapshot
    while (snapshot.sent < bytes.length && snapshot.sent < acknowledged + CHUNKS_AHEAD * CHUNK_BYTES) {
      const piece = bytes.subarray(snapshot.sent, snapshot.sent + CHUNK_BYTES)
      this.#core.send(id, { kind: 'chunk', epoch: this.#epoch(), zxid, offset: snapshot.sent, total: bytes.length, bytes: piece })
      snapshot.sent += piece.length
    }
    if (acknowledged < bytes.length) return
    learner.snapshot = null
    // The window may have moved on past the snapshot meanwhile: then another one.
    if (this.#core.log.base <= zxid) this.#feedFrom(id, learner, zxid)
    else this.#askForSnapshot(id, learner)
  }

  /** From where on the log must be kept for snapshots on their way; null: there are none. */
  pinnedBy(learners: Iterable<Learner>): bigint | null {
    let pinned: bigint | null = null
    for (const { snapshot } of learners) if (snapshot && (pinned === null || snapshot.zxid < pinned)) pinned = snapshot.zxid
    return pinned
  }

  #feedFrom(id: number, learner: Learner, from: bigint): void {
    learner.state = 'fed'
    let previous = from
    let [batch, bytes]: [Entry[], number] = [[], 0]
    const flush = (): void => {
      if (batch.length === 0) return
      this.#core.send(id, { kind: 'append', epoch: this.#epoch(), previous, entries: batch })
      previous = batch.at(-1)!.zxid
      batch = []
      bytes = 0
    }
    for (const entry of this.#core.log.after(from)) {
      batch.push(entry)
      bytes += entry.payload.length
      if (bytes >= CHUNK_BYTES) flush()
    }
    flush()
    this.#core.send(id, { kind: 'newLeader', epoch: this.#epoch(), last: this.#core.log.last })
  }

  #askForSnapshot(id: number, learner: Learner): void {
    learner.state = 'snapshot'
    learner.snapshot = { zxid: this.#core.committed, bytes: null, sent: 0 }
    this.#core.effects.push({ kind: 'snapshot', to: id })
  }
}
