// A member under a leader (follower or observer): discovery, synchronization, broadcast.
//
//   joining  --leaderInfo: promise the epoch, saved BEFORE ackEpoch is sent-->
//            --truncate | chunks: the log becomes a prefix of the leader's-->
//            --append…, newLeader: history and currentEpoch saved BEFORE the ack--> following
//   following --commit(upToDate)--> established: serves
//
// Anything out of order (an epoch that is older, a gap, a leader that went silent) sends it back to looking. No I/O, no clock.

import type { Core } from './core.js'
import type { Message } from './messages.js'

/** Chunks of a snapshot are acknowledged one by one; the leader keeps a few on the way. */
const MAX_SNAPSHOT_BYTES = 1 << 30
const MAX_AGO_MS = 0x7fffffff

export class Learning {
  readonly #core: Core
  readonly leader: number
  #phase: 'joining' | 'following' = 'joining'
  established = false
  /** The leader has named its epoch: it leads, and a word that it looks is news. */
  hasEpoch = false
  #heardAt: number
  readonly #startedAt: number
  #askedAt = -Infinity
  #snapshot: { readonly zxid: bigint; readonly total: number; readonly chunks: Uint8Array[]; received: number } | null = null
  #checking = false
  readonly #lookAgain: (why: string) => void

  constructor(core: Core, leader: number, lookAgain: (why: string) => void) {
    this.#core = core
    this.leader = leader
    this.#lookAgain = lookAgain
    this.#heardAt = core.now
    this.#startedAt = core.now
    core.touches.again()
    this.#ask()
  }

  /** The epoch whose messages are listened to. */
  get epoch(): number {
    return this.#core.hard.acceptedEpoch
  }

  #ask(): void {
    const core = this.#core
    if (!core.connected.has(this.leader)) return
    this.#askedAt = core.now
    core.send(this.leader, { kind: 'followerInfo', acceptedEpoch: core.hard.acceptedEpoch, virgin: core.virgin })
  }

  tick(): void {
    const { now, timing } = this.#core
    const limit = timing.tickMs * (this.established ? timing.syncLimit : timing.initLimit)
    if (!this.hasEpoch && now - this.#startedAt > 2 * timing.tickMs) this.#lookAgain('the one that was elected does not lead')
    else if (now - this.#heardAt > limit) this.#lookAgain('the leader is silent')
    else if (!this.established && now - this.#startedAt > 2 * limit) this.#lookAgain('the leader does not get ready')
    else if (this.#phase === 'joining' && this.#askedAt === -Infinity) this.#ask()
  }

  peerUp(id: number): void {
    if (id !== this.leader) return
    // A new connection: whatever the leader sent on the old one may be lost, so it starts over.
    if (this.#askedAt === -Infinity) this.#ask()
    else this.#lookAgain('the connection to the leader was replaced')
  }

  receive(message: Message): void {
    if (message.kind === 'leaderInfo') {
      this.#heardAt = this.#core.now
      this.hasEpoch = true
      this.#promise(message.epoch)
      return
    }
    if (!('epoch' in message) || message.epoch !== this.epoch) return
    this.#heardAt = this.#core.now
    if (message.kind === 'ping' || message.kind === 'append') this.#core.heardAt = this.#core.now
    switch (message.kind) {
      case 'truncate':
        this.#truncate(message.after)
        break
      case 'chunk':
        this.#chunk(message)
        break
      case 'append':
        this.#append(message)
        break
      case 'newLeader':
        this.#newLeader(message.epoch, message.last)
        break
      case 'commit':
        this.#commit(message.zxid, message.upToDate)
        break
      case 'ping':
        this.#ping(message.round, message.last)
        break
      case 'confirm': {
        const at = this.#core.touches.confirm(message.round)
        if (at !== null) this.#core.effects.push({ kind: 'confirmed', at })
        break
      }
      case 'synced':
        this.#core.effects.push({ kind: 'synced', request: message.request })
        break
      case 'refused':
        this.#core.effects.push({ kind: 'refused', request: message.request, code: message.code })
        break
      default:
    }
  }

  #promise(epoch: number): void {
    const { hard } = this.#core
    if (this.#phase !== 'joining') return
    if (epoch < hard.acceptedEpoch) {
      this.#lookAgain('the leader has an older epoch than was promised')
    } else if (epoch === hard.acceptedEpoch) {
      // Promised before: to this leader (a promise is repeated at will), or to another one of the same epoch. Then it does not count
      // for this one, who may have its quorum without it: of two with one epoch at most one gets past discovery.
      this.#ackEpoch(epoch, hard.acceptedFrom === this.leader ? hard.currentEpoch : -1)
    } else
      this.#core.saveEpochs({ acceptedEpoch: epoch, acceptedFrom: this.leader }, () => this.#ackEpoch(epoch, this.#core.hard.currentEpoch))
  }

  #ackEpoch(epoch: number, currentEpoch: number): void {
    const { log, now, heardAt } = this.#core
    const heardAgoMs = Math.min(Math.floor(now - heardAt), MAX_AGO_MS)
    this.#core.send(this.leader, { kind: 'ackEpoch', epoch, currentEpoch, base: log.base, ends: log.epochEnds(), heardAgoMs })
  }

  #truncate(after: bigint): void {
    const { log, committed, planted } = this.#core
    if (this.#phase !== 'joining') return
    if (after === log.last) return
    if (planted.keepUncommittedTail) return
    if (after < committed) {
      const reason = `the leader's history parts from what is committed here (0x${committed.toString(16)}) at 0x${after.toString(16)}`
      this.#core.effects.push({ kind: 'fatal', reason })
    } else if (log.contains(after)) this.#core.truncate(after)
    else this.#lookAgain('the log does not hold what it is to be cut to')
  }

  #chunk(message: Extract<Message, { kind: 'chunk' }>): void {
    if (this.#phase !== 'joining' || this.#checking) return
    const { zxid, offset, total, bytes } = message
    if (offset === 0 && total <= MAX_SNAPSHOT_BYTES) this.#snapshot = { zxid, total, chunks: [], received: 0 }
    const snapshot = this.#snapshot
    if (!snapshot || snapshot.zxid !== zxid || snapshot.received !== offset || offset + bytes.length > snapshot.total) {
      this.#lookAgain('a piece of the snapshot is missing')
      return
    }
    snapshot.chunks.push(bytes)
    snapshot.received += bytes.length
    this.#core.send(this.leader, { kind: 'chunkAck', epoch: this.epoch, offset: snapshot.received })
    if (snapshot.received < total) return
    this.#checking = true
    this.#core.effects.push({ kind: 'check', zxid, snapshot: Buffer.concat(snapshot.chunks) })
  }

  /** The edge has looked at the snapshot: `problem` says in words why it is none. */
  checked(zxid: bigint, snapshot: Buffer, problem: string | null): void {
    if (!this.#checking || this.#snapshot?.zxid !== zxid) return
    this.#checking = false
    this.#snapshot = null
    if (problem !== null) {
      this.#lookAgain(`the leader's snapshot is damaged: ${problem}`)
    } else if (zxid < this.#core.committed) {
      const reason = `the leader's snapshot ends at 0x${zxid.toString(16)}, before what is committed here (0x${this.#core.committed.toString(16)})`
      this.#core.effects.push({ kind: 'fatal', reason })
    } else this.#core.install(zxid, snapshot)
  }

  #append({ previous, entries, epoch }: Extract<Message, { kind: 'append' }>): void {
    const { log, planted } = this.#core
    const last = entries.at(-1)?.zxid
    if (last === undefined || last <= log.last) return
    if (previous !== log.last && !(planted.keepUncommittedTail && this.#phase === 'joining')) {
      this.#lookAgain('the leader sent more than arrived')
      return
    }
    const following = this.#phase === 'following'
    this.#core.append(entries, () => {
      if (following) this.#core.send(this.leader, { kind: 'ack', epoch, zxid: last, newLeader: false })
    })
  }

  #newLeader(epoch: number, last: bigint): void {
    const { log, planted } = this.#core
    if (this.#phase !== 'joining') return
    if (last !== log.last && !planted.keepUncommittedTail) {
      this.#lookAgain('the history did not arrive whole')
      return
    }
    this.#phase = 'following'
    // In this order in the queue of saves: the history first, then the epoch that says it is held.
    this.#core.saveEpochs({ currentEpoch: epoch }, () => {
      this.#core.virgin = false
      this.#core.send(this.leader, { kind: 'ack', epoch, zxid: last, newLeader: true })
    })
  }

  #commit(zxid: bigint, upToDate: boolean): void {
    if (this.#phase !== 'following' || (!this.established && !upToDate)) return
    if (zxid > this.#core.log.last) {
      this.#lookAgain('the leader committed more than arrived')
      return
    }
    this.#core.commitUpTo(zxid)
    this.#core.trim(null)
    if (this.established) return
    this.established = true
    this.#core.effects.push({ kind: 'role', role: this.#core.isVoter ? 'follower' : 'observer', leader: this.leader })
  }

  #ping(round: number, last: bigint): void {
    if (this.#phase === 'following' && last > this.#core.log.last) {
      this.#lookAgain('the leader sent more than arrived')
      return
    }
    const touched = this.#core.touches.take(round, this.#core.now)
    this.#core.send(this.leader, { kind: 'pong', epoch: this.epoch, round, touched })
  }
}
