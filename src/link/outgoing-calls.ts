// The calls of this node's threads on one dialed link, from the queue to their answers: which thread asked what, and how many parts are still to be
// answered. Answers of one frame go to a thread together, in the ring where the socket was read to, or copied. Runs on the link thread.

import { copyShared, type Placed } from '../threads/shared-ring.js'
import { AnswerRings } from './answer-rings.js'
import { ItemType } from './frames.js'
import { bytesOf, type PortBody, received, release, ringBodyOf, ToDoor } from './port-messages.js'
import { type Door, hold, type RoutedLink } from './router-door.js'
import type { IncomingItem } from './session.js'
import type { LinkSettings } from './settings.js'

const EMPTY = new Uint8Array(0)

interface Pending {
  readonly door: Door
  readonly call: number
  left: number
}

type Answers = readonly { readonly item: IncomingItem; readonly call: number }[]

export class OutgoingCalls {
  private readonly link: RoutedLink
  private readonly settings: LinkSettings
  /** By correlation. */
  private readonly pending = new Map<number, Pending>()
  private readonly rings: AnswerRings
  private nextCorrelation = 1

  constructor(link: RoutedLink, settings: LinkSettings) {
    this.link = link
    this.settings = settings
    this.rings = new AnswerRings(link.id)
  }

  get count(): number {
    return this.pending.size
  }

  call(door: Door, call: number, peer: number, kind: number, count: number, given: PortBody): void {
    const held = received(given, door.ring)
    const body = bytesOf(held)
    const refusal = this.refusal(peer, body.length)
    if (refusal) {
      release(held)
      door.outbox.post([ToDoor.failed, call, ...refusal])
      return
    }
    const correlation = this.nextCorrelation
    this.nextCorrelation = correlation === 0xffff_ffff ? 1 : correlation + 1
    this.pending.set(correlation, { door, call, left: count })
    door.calls.set(call, { on: this, correlation })
    this.link.session.enqueue({ type: ItemType.request, status: 0, correlation, index: count, kind, body, held: ringBodyOf(held) })
    this.link.wake()
  }

  /** The caller does not wait any more; nor need the peer. */
  cancel(correlation: number): void {
    const { session } = this.link
    this.pending.delete(correlation)
    session.queue.drop((item) => item.correlation === correlation)
    session.enqueue({ type: ItemType.cancel, status: 0, correlation, index: 0, kind: 0, body: EMPTY })
    this.link.wake()
  }

  /** A frame of answers to this call comes, it seems: memory that the thread which asked sees, if there is any. */
  room(correlation: number, bytes: number): Uint8Array | undefined {
    const door = this.pending.get(correlation)?.door
    // The coordinator has no rings: see `attach` in router.ts.
    return door?.ring && this.rings.reserve(door, bytes)
  }

  /** Answers of one frame, those for one thread together. `frame`: where they lie, if all of them lie there. */
  answered(items: readonly IncomingItem[], frame: Uint8Array | undefined): void {
    const byDoor = new Map<Door, { item: IncomingItem; call: number }[]>()
    for (const item of items) {
      if (item.type !== ItemType.answer) return this.link.close('items of several types in one frame')
      const pending = this.pending.get(item.correlation)
      // Cancelled meanwhile.
      if (!pending) continue
      if (--pending.left === 0) {
        this.pending.delete(item.correlation)
        pending.door.calls.delete(pending.call)
      }
      const list = byDoor.get(pending.door)
      if (list) list.push({ item, call: pending.call })
      else byDoor.set(pending.door, [{ item, call: pending.call }])
    }
    for (const [door, answers] of byDoor) {
      const inRing = frame && this.rings.keep(door, frame)
      if (inRing) this.giveInRing(door, answers, inRing, frame!.byteOffset)
      else this.giveCopied(door, answers)
    }
  }

  /** The thread is gone, and its calls were cancelled. */
  doorGone(door: Door): void {
    this.rings.detach(door)
  }

  linkDown(reason: string): void {
    for (const { door, call } of this.pending.values()) {
      door.calls.delete(call)
      door.outbox.post([ToDoor.failed, call, 'ERR_MILLRACE_LINK_DOWN', reason])
    }
    this.rings.close()
  }

  private refusal(peer: number, bytes: number): readonly [code: string, text: string] | null {
    const { maxOpenCalls, queueBytes } = this.settings
    const { agreed, queue } = this.link.session
    if (bytes > agreed.maxBodyBytes)
      return ['ERR_MILLRACE_LINK_TOO_LARGE', `a call of ${bytes} bytes; node ${peer} takes ${agreed.maxBodyBytes} (link maxBodyBytes)`]
    if (this.pending.size >= maxOpenCalls)
      return [
        'ERR_MILLRACE_LINK_BUSY',
        `${this.pending.size} calls to node ${peer} are open; the limit is ${maxOpenCalls} (link maxOpenCalls)`,
      ]
    if (queue.queuedBytes > 0 && queue.queuedBytes + bytes > queueBytes)
      return ['ERR_MILLRACE_LINK_BUSY', `${queue.queuedBytes} bytes wait for node ${peer}; the limit is ${queueBytes} (link queueBytes)`]
    return null
  }

  private giveInRing(door: Door, answers: Answers, frame: Placed, start: number): void {
    hold(door, this.link, frame[1])
    const table: number[] = []
    for (const { item, call } of answers) tabulate(table, item, call, item.body.byteOffset - start)
    door.outbox.post([ToDoor.answersInRing, this.link.id, frame, table])
  }

  private giveCopied(door: Door, answers: Answers): void {
    const [length, table] = layOut(answers)
    hold(door, this.link, length)
    const body = door.outbox.body(length, answers[0]!.item.body.byteOffset % 8, (target, start) => {
      let at = start
      for (const { item } of answers) {
        copyShared(target, at, item.body)
        at += item.body.length
      }
    })
    door.outbox.post([ToDoor.answers, this.link.id, body, table])
  }
}

/** Back to back: their length, and the table of ToDoor.answers. */
function layOut(answers: Answers): readonly [number, number[]] {
  const table: number[] = []
  let at = 0
  for (const { item, call } of answers) {
    tabulate(table, item, call, at)
    at += item.body.length
  }
  return [at, table]
}

function tabulate(table: number[], item: IncomingItem, call: number, at: number): void {
  table.push(call, item.index, item.status, at, at + item.body.length)
}
