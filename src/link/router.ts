// The middle of the link thread: calls of this node's threads to sessions that were dialed, requests of peers to the owners of their parts, answers
// back both ways. It knows doors and sessions, not sockets; placement as it was told. Runs on the link thread.
//
// Bounds: calls that wait for a link and answers that wait for a link are each at most `queueBytes` per link. A call beyond it is refused. Answers
// beyond it stop the peer's next requests from reaching their owners (they are held, hence not given back, hence the peer sends no more); at four
// times as much the link is closed.

import type { Logger } from '../env/env.js'
import { copyShared, type Placed, RingBody, ringMemory, RingReader } from '../threads/shared-ring.js'
import { AnswerRings } from './answer-rings.js'
import { LinkStatus } from './door.js'
import { ItemType } from './frames.js'
import {
  bytesOf,
  type LinkPort,
  type PortBody,
  PortOutbox,
  received,
  release,
  ToDoor,
  type ToDoorMessage,
  ToLink,
  type ToLinkAnswer,
  type ToLinkMessage,
} from './port-messages.js'
import { gather, routeParts, ZERO_KEY } from './request-body.js'
import type { IncomingItem, LinkSession } from './session.js'
import type { LinkSettings } from './settings.js'

/** The door of the thread coordinator; workers have their numbers. */
export const COORDINATOR = -1
const NOT_HERE = -2
const EMPTY = new Uint8Array(0)
/** Of a worker and the link thread, each way. What finds no room is moved, which costs more. */
const RING_BYTES = 4 << 20

/** One link as the router sees it. */
export interface RoutedLink {
  readonly id: number
  readonly session: LinkSession
  /** Gets what was queued sent, soon. */
  wake(): void
  close(reason: string): void
}

/** An end of a port to one thread. */
interface Door {
  readonly number: number
  readonly port: LinkPort
  readonly outbox: PortOutbox<ToDoorMessage>
  /** Where its bodies lie; undefined: they come along. */
  readonly ring: RingReader | undefined
  /** Bytes of each link that this thread has and did not say it took. */
  readonly held: Map<number, number>
  /** Its open calls → where they are. */
  readonly calls: Map<number, { readonly link: RoutedLink; readonly correlation: number }>
}

/** A call of ours on a dialed link. */
interface Pending {
  readonly door: Door
  readonly call: number
  left: number
}

/** A request of a peer, as given to one owner. */
interface Open {
  readonly link: RoutedLink
  readonly door: number
  readonly correlation: number
  readonly unanswered: Set<number>
}

interface LinkState {
  readonly link: RoutedLink
  /** Dialed links: by correlation. */
  readonly pending: Map<number, Pending>
  nextCorrelation: number
  readonly rings: AnswerRings
  /** Served links: ids in `open`, and requests that wait because too many answers do. */
  readonly open: Set<number>
  readonly waiting: IncomingItem[]
}

export class LinkRouter {
  private readonly settings: LinkSettings
  private readonly logger: Logger
  private readonly doors = new Map<number, Door>()
  private readonly placement = new Map<string, Int16Array>()
  private readonly links = new Map<number, LinkState>()
  private readonly dialed = new Map<number, LinkState>()
  private readonly open = new Map<number, Open>()
  private nextRequest = 1

  constructor(settings: LinkSettings, logger: Logger) {
    this.settings = settings
    this.logger = logger
  }

  // ---- threads of this node

  attach(number: number, port: LinkPort): void {
    this.detach(number)
    const outbox = new PortOutbox<ToDoorMessage>(port)
    const ring = number === COORDINATOR ? undefined : this.shareRings(outbox)
    const door: Door = { number, port, outbox, ring, held: new Map(), calls: new Map() }
    this.doors.set(number, door)
    port.on('message', (messages) => {
      if (this.doors.get(number) === door) for (const message of messages as ToLinkMessage[]) this.fromDoor(door, message)
    })
    port.on('close', () => {
      if (this.doors.get(number) === door) this.detach(number)
    })
    for (const peer of this.dialed.keys()) door.outbox.post([ToDoor.peer, peer, true])
  }

  /** The coordinator has none: its calls are few and small, and what it is asked is answered much later. */
  private shareRings(outbox: PortOutbox<ToDoorMessage>): RingReader {
    const toLink = ringMemory(RING_BYTES)
    const toDoor = ringMemory(RING_BYTES)
    outbox.post([ToDoor.rings, toLink, toDoor])
    outbox.useRing(toDoor)
    return new RingReader(toLink)
  }

  /** The thread is gone: what it was asked is answered so, what it asked is nobody's, what it held is free. The links stay. */
  detach(number: number): void {
    const door = this.doors.get(number)
    if (!door) return
    this.doors.delete(number)
    door.outbox.close()
    door.port.close()
    for (const call of door.calls.keys()) this.cancel(door, call)
    for (const { rings } of this.links.values()) rings.detach(door)
    for (const [id, request] of this.open) {
      if (request.door !== number) continue
      for (const index of request.unanswered) this.enqueueAnswer(request.link, request.correlation, index, LinkStatus.ownerGone, EMPTY)
      this.forget(id, request)
    }
    for (const [link, bytes] of door.held) this.links.get(link)?.link.session.release(bytes)
  }

  setPlacement(topicKey: string, owners: Int16Array | null): void {
    if (owners) this.placement.set(topicKey, owners)
    else this.placement.delete(topicKey)
  }

  close(): void {
    for (const number of this.doors.keys()) this.detach(number)
  }

  // ---- links

  /** `peer`: the link was dialed, and calls may use it. */
  linkUp(link: RoutedLink, peer: number | null): void {
    const state: LinkState = {
      link,
      pending: new Map(),
      nextCorrelation: 1,
      rings: new AnswerRings(link.id),
      open: new Set(),
      waiting: [],
    }
    this.links.set(link.id, state)
    if (peer === null) return
    this.dialed.set(peer, state)
    for (const door of this.doors.values()) door.outbox.post([ToDoor.peer, peer, true])
  }

  linkDown(id: number, reason: string): void {
    const state = this.links.get(id)
    if (!state) return
    this.links.delete(id)
    for (const { door, call } of state.pending.values()) {
      door.calls.delete(call)
      door.outbox.post([ToDoor.failed, call, 'ERR_MILLRACE_LINK_DOWN', reason])
    }
    state.rings.close()
    for (const request of state.open) this.open.delete(request)
    for (const door of this.doors.values()) door.held.delete(id)
    for (const [peer, dialed] of this.dialed) {
      if (dialed !== state) continue
      this.dialed.delete(peer)
      for (const door of this.doors.values()) door.outbox.post([ToDoor.peer, peer, false])
    }
  }

  /** A frame of answers to this call comes, it seems: memory that the thread which asked sees, if there is any. */
  room(id: number, correlation: number, bytes: number): Uint8Array | undefined {
    const state = this.links.get(id)
    const door = state?.pending.get(correlation)?.door
    // The coordinator has no rings: see shareRings.
    return door?.ring && state?.rings.reserve(door, bytes)
  }

  /** `frame`: where the items lie, if all of them lie there. */
  received(id: number, items: readonly IncomingItem[], frame?: Uint8Array): void {
    const state = this.links.get(id)
    if (!state) return
    if (items[0]!.type === ItemType.answer) return this.takeAnswers(state, items, frame)
    for (const item of items) {
      if (item.type === ItemType.cancel) this.cancelled(state, item.correlation)
      else if (item.type === ItemType.request) this.takeRequest(state, item)
      else return state.link.close('items of several types in one frame')
    }
  }

  /** Called when answers left: requests that waited go on. */
  drained(id: number): void {
    const state = this.links.get(id)
    if (!state) return
    while (state.waiting.length > 0 && state.link.session.queue.queuedBytes <= this.settings.queueBytes) {
      const item = state.waiting.shift()!
      state.link.session.release(item.body.length)
      this.dispatch(state, item)
    }
  }

  // ---- calls of this node

  private fromDoor(door: Door, message: ToLinkMessage): void {
    if (message[0] === ToLink.answer) this.answered(door, message)
    else if (message[0] === ToLink.taken) this.taken(door, message[1], message[2])
    else if (message[0] === ToLink.call) this.call(door, message[1], message[2], message[3], message[4], message[5])
    else this.cancel(door, message[1])
  }

  private call(door: Door, call: number, peer: number, kind: number, count: number, given: PortBody): void {
    const state = this.dialed.get(peer)
    const held = received(given, door.ring)
    const body = bytesOf(held)
    const refusal = state
      ? this.refusal(state, peer, body.length)
      : (['ERR_MILLRACE_LINK_DOWN', `there is no link to node ${peer}`] as const)
    if (!state || refusal) {
      release(held)
      door.outbox.post([ToDoor.failed, call, ...refusal!])
      return
    }
    const correlation = state.nextCorrelation
    state.nextCorrelation = correlation === 0xffff_ffff ? 1 : correlation + 1
    state.pending.set(correlation, { door, call, left: count })
    door.calls.set(call, { link: state.link, correlation })
    state.link.session.enqueue({ type: ItemType.request, status: 0, correlation, index: count, kind, body, held: heldBy(held) })
    state.link.wake()
  }

  private refusal(state: LinkState, peer: number, bytes: number): readonly [code: string, text: string] | null {
    const { maxOpenCalls, queueBytes } = this.settings
    const { agreed, queue } = state.link.session
    if (bytes > agreed.maxBodyBytes)
      return ['ERR_MILLRACE_LINK_TOO_LARGE', `a call of ${bytes} bytes; node ${peer} takes ${agreed.maxBodyBytes} (link maxBodyBytes)`]
    if (state.pending.size >= maxOpenCalls)
      return [
        'ERR_MILLRACE_LINK_BUSY',
        `${state.pending.size} calls to node ${peer} are open; the limit is ${maxOpenCalls} (link maxOpenCalls)`,
      ]
    if (queue.queuedBytes > 0 && queue.queuedBytes + bytes > queueBytes)
      return ['ERR_MILLRACE_LINK_BUSY', `${queue.queuedBytes} bytes wait for node ${peer}; the limit is ${queueBytes} (link queueBytes)`]
    return null
  }

  /** The caller does not wait any more; nor need the peer. */
  private cancel(door: Door, call: number): void {
    const where = door.calls.get(call)
    if (!where) return
    door.calls.delete(call)
    const { link, correlation } = where
    this.links.get(link.id)?.pending.delete(correlation)
    link.session.queue.drop((item) => item.correlation === correlation)
    link.session.enqueue({ type: ItemType.cancel, status: 0, correlation, index: 0, kind: 0, body: EMPTY })
    link.wake()
  }

  /** Answers of one frame, those for one thread together. */
  private takeAnswers(state: LinkState, items: readonly IncomingItem[], frame: Uint8Array | undefined): void {
    const byDoor = new Map<Door, { item: IncomingItem; call: number }[]>()
    for (const item of items) {
      if (item.type !== ItemType.answer) return state.link.close('items of several types in one frame')
      const pending = state.pending.get(item.correlation)
      // Cancelled meanwhile.
      if (!pending) continue
      if (--pending.left === 0) {
        state.pending.delete(item.correlation)
        pending.door.calls.delete(pending.call)
      }
      const list = byDoor.get(pending.door)
      if (list) list.push({ item, call: pending.call })
      else byDoor.set(pending.door, [{ item, call: pending.call }])
    }
    for (const [door, answers] of byDoor) {
      const inRing = frame && state.rings.keep(door, frame)
      if (inRing) this.giveInRing(state, door, answers, inRing, frame!.byteOffset)
      else this.giveCopied(state, door, answers)
    }
  }

  private giveInRing({ link }: LinkState, door: Door, answers: Answers, frame: Placed, start: number): void {
    this.hold(door, link, frame[1])
    const table: number[] = []
    for (const { item, call } of answers) tabulate(table, item, call, item.body.byteOffset - start)
    door.outbox.post([ToDoor.answersInRing, link.id, frame, table])
  }

  private giveCopied({ link }: LinkState, door: Door, answers: Answers): void {
    const [length, table] = layOut(answers)
    this.hold(door, link, length)
    const body = door.outbox.body(length, answers[0]!.item.body.byteOffset % 8, (target, start) => {
      let at = start
      for (const { item } of answers) {
        copyShared(target, at, item.body)
        at += item.body.length
      }
    })
    door.outbox.post([ToDoor.answers, link.id, body, table])
  }

  // ---- requests of peers

  private takeRequest(state: LinkState, item: IncomingItem): void {
    const { queue } = state.link.session
    if (state.waiting.length === 0 && queue.queuedBytes <= this.settings.queueBytes) return this.dispatch(state, item)
    state.waiting.push({ ...item, body: Uint8Array.from(item.body) })
    state.link.session.hold(item.body.length)
  }

  private dispatch(state: LinkState, item: IncomingItem): void {
    const { link } = state
    const groups = routeParts(item.body, item.index, (topic, partition) => this.ownerOf(topic, partition))
    if (!groups) return link.close('a request whose parts are not as many or as long as it says')
    for (const [owner, group] of groups) {
      const door = this.doors.get(owner)
      if (!door) {
        const status = owner === NOT_HERE ? LinkStatus.notHere : LinkStatus.ownerGone
        for (const index of group.indexes) this.enqueueAnswer(link, item.correlation, index, status, EMPTY)
        continue
      }
      const request = this.nextRequest++
      this.open.set(request, { link, door: owner, correlation: item.correlation, unanswered: new Set(group.indexes) })
      state.open.add(request)
      this.hold(door, link, group.bytes)
      const body = door.outbox.body(group.bytes, item.body.byteOffset % 8, (target, at) => gather(item.body, group, target, at))
      door.outbox.post([ToDoor.request, request, link.id, link.session.agreed.peer, item.kind, group.indexes, body])
    }
  }

  private ownerOf(topic: string, partition: number): number {
    if (topic === ZERO_KEY) return COORDINATOR
    const owner = this.placement.get(topic)?.[partition]
    return owner === undefined || owner < 0 ? NOT_HERE : owner
  }

  private answered(door: Door, [, id, index, status, given, selfChecked]: ToLinkAnswer): void {
    const held = received(given, door.ring)
    const request = this.open.get(id)
    // Cancelled, or its link is gone.
    if (!request || request.door !== door.number || !request.unanswered.delete(index)) return release(held)
    if (request.unanswered.size === 0) this.forget(id, request)
    this.enqueueAnswer(request.link, request.correlation, index, status, held, selfChecked)
  }

  private enqueueAnswer(
    link: RoutedLink,
    correlation: number,
    index: number,
    status: number,
    held: RingBody | Uint8Array,
    selfChecked = 0,
  ): void {
    const { queue, agreed } = link.session
    const body = bytesOf(held)
    if (body.length > agreed.maxBodyBytes) {
      this.logger.error(
        { peer: agreed.peer, bytes: body.length, limit: agreed.maxBodyBytes },
        'an answer is larger than the peer takes (link maxBodyBytes)',
      )
      release(held)
      link.session.enqueue({ type: ItemType.answer, status: LinkStatus.failed, correlation, index, kind: 0, body: EMPTY })
    } else link.session.enqueue({ type: ItemType.answer, status, correlation, index, kind: 0, body, held: heldBy(held), selfChecked })
    if (queue.queuedBytes > 4 * this.settings.queueBytes)
      link.close(`${queue.queuedBytes} bytes of answers wait; the limit is ${4 * this.settings.queueBytes} (4 times link queueBytes)`)
    else link.wake()
  }

  private cancelled(state: LinkState, correlation: number): void {
    for (const id of state.open) if (this.open.get(id)?.correlation === correlation) this.forget(id, this.open.get(id)!)
    state.link.session.queue.drop((item) => item.correlation === correlation)
    const index = state.waiting.findIndex((item) => item.correlation === correlation)
    if (index >= 0) state.link.session.release(state.waiting.splice(index, 1)[0]!.body.length)
  }

  private forget(id: number, request: Open): void {
    this.open.delete(id)
    this.links.get(request.link.id)?.open.delete(id)
  }

  // ---- what threads hold

  private hold(door: Door, link: RoutedLink, bytes: number): void {
    link.session.hold(bytes)
    door.held.set(link.id, (door.held.get(link.id) ?? 0) + bytes)
  }

  private taken(door: Door, id: number, bytes: number): void {
    const held = door.held.get(id)
    if (held === undefined) return
    door.held.set(id, held - bytes)
    this.links.get(id)?.link.session.release(bytes)
  }

  /** For tests and metrics. */
  get stats(): { links: number; open: number; pending: number } {
    let pending = 0
    for (const state of this.links.values()) pending += state.pending.size
    return { links: this.links.size, open: this.open.size, pending }
  }
}

type Answers = readonly { readonly item: IncomingItem; readonly call: number }[]

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

function heldBy(body: RingBody | Uint8Array): RingBody | undefined {
  return body instanceof RingBody ? body : undefined
}
