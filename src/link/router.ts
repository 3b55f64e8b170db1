// The middle of the link thread: which thread and which link a message is for. Calls of this node's threads go on as `outgoing-calls`, requests of
// peers as `incoming-requests`. It knows doors and sessions, not sockets; placement as it was told. Runs on the link thread.
//
// Bounds: calls that wait for a link and answers that wait for a link are each at most `queueBytes` per link. A call beyond it is refused; for answers
// see `incoming-requests`.

import type { Logger } from '../env/env.js'
import { ringMemory, RingReader } from '../threads/shared-ring.js'
import { ItemType } from './frames.js'
import { IncomingRequests, type ServedLink } from './incoming-requests.js'
import { OutgoingCalls } from './outgoing-calls.js'
import {
  type LinkPort,
  type PortBody,
  PortOutbox,
  received,
  release,
  ToDoor,
  type ToDoorMessage,
  ToLink,
  type ToLinkMessage,
} from './port-messages.js'
import { COORDINATOR, type Door, type RoutedLink } from './router-door.js'
import type { IncomingItem } from './session.js'
import type { LinkSettings } from './settings.js'

/** Of a worker and the link thread, each way. What finds no room is moved, which costs more. */
const RING_BYTES = 4 << 20

interface LinkState extends ServedLink {
  readonly calls: OutgoingCalls
}

export class LinkRouter {
  private readonly settings: LinkSettings
  private readonly doors = new Map<number, Door>()
  private readonly links = new Map<number, LinkState>()
  private readonly dialed = new Map<number, LinkState>()
  private readonly requests: IncomingRequests

  constructor(settings: LinkSettings, logger: Logger) {
    this.settings = settings
    this.requests = new IncomingRequests(settings, logger, this.doors)
  }

  // ---- threads of this node

  attach(number: number, port: LinkPort): void {
    this.detach(number)
    const outbox = new PortOutbox<ToDoorMessage>(port)
    // The coordinator has none: its calls are few and small, and what it is asked is answered much later.
    const ring = number === COORDINATOR ? undefined : shareRings(outbox)
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

  /** The thread is gone: what it was asked is answered so, what it asked is nobody's, what it held is free. The links stay. */
  detach(number: number): void {
    const door = this.doors.get(number)
    if (!door) return
    this.doors.delete(number)
    door.outbox.close()
    door.port.close()
    for (const call of door.calls.keys()) this.cancel(door, call)
    for (const { calls } of this.links.values()) calls.doorGone(door)
    this.requests.doorGone(number)
    for (const [link, bytes] of door.held) this.links.get(link)?.link.session.release(bytes)
  }

  setPlacement(topicKey: string, owners: Int16Array | null): void {
    this.requests.setPlacement(topicKey, owners)
  }

  close(): void {
    for (const number of this.doors.keys()) this.detach(number)
  }

  // ---- links

  /** `peer`: the link was dialed, and calls may use it. */
  linkUp(link: RoutedLink, peer: number | null): void {
    const state: LinkState = { link, calls: new OutgoingCalls(link, this.settings), open: new Set(), waiting: [] }
    this.links.set(link.id, state)
    if (peer === null) return
    this.dialed.set(peer, state)
    for (const door of this.doors.values()) door.outbox.post([ToDoor.peer, peer, true])
  }

  linkDown(id: number, reason: string): void {
    const state = this.links.get(id)
    if (!state) return
    this.links.delete(id)
    state.calls.linkDown(reason)
    this.requests.linkDown(state)
    for (const door of this.doors.values()) door.held.delete(id)
    for (const [peer, dialed] of this.dialed) {
      if (dialed !== state) continue
      this.dialed.delete(peer)
      for (const door of this.doors.values()) door.outbox.post([ToDoor.peer, peer, false])
    }
  }

  /** A frame of answers to this call comes, it seems: memory that the thread which asked sees, if there is any. */
  room(id: number, correlation: number, bytes: number): Uint8Array | undefined {
    return this.links.get(id)?.calls.room(correlation, bytes)
  }

  /** `frame`: where the items lie, if all of them lie there. */
  received(id: number, items: readonly IncomingItem[], frame?: Uint8Array): void {
    const state = this.links.get(id)
    if (!state) return
    if (items[0]!.type === ItemType.answer) return state.calls.answered(items, frame)
    for (const item of items) {
      if (item.type === ItemType.cancel) this.requests.cancelled(state, item.correlation)
      else if (item.type === ItemType.request) this.requests.take(state, item)
      else return state.link.close('items of several types in one frame')
    }
  }

  /** Called when answers left: requests that waited go on. */
  drained(id: number): void {
    const state = this.links.get(id)
    if (state) this.requests.drained(state)
  }

  // ---- what threads say

  private fromDoor(door: Door, message: ToLinkMessage): void {
    if (message[0] === ToLink.answer) this.requests.answered(door, message)
    else if (message[0] === ToLink.taken) this.taken(door, message[1], message[2])
    else if (message[0] === ToLink.call) this.call(door, message[1], message[2], message[3], message[4], message[5])
    else this.cancel(door, message[1])
  }

  private call(door: Door, call: number, peer: number, kind: number, count: number, given: PortBody): void {
    const state = this.dialed.get(peer)
    if (state) return state.calls.call(door, call, peer, kind, count, given)
    release(received(given, door.ring))
    door.outbox.post([ToDoor.failed, call, 'ERR_MILLRACE_LINK_DOWN', `there is no link to node ${peer}`])
  }

  private cancel(door: Door, call: number): void {
    const where = door.calls.get(call)
    if (!where) return
    door.calls.delete(call)
    where.on.cancel(where.correlation)
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
    for (const { calls } of this.links.values()) pending += calls.count
    return { links: this.links.size, open: this.requests.count, pending }
  }
}

function shareRings(outbox: PortOutbox<ToDoorMessage>): RingReader {
  const toLink = ringMemory(RING_BYTES)
  const toDoor = ringMemory(RING_BYTES)
  outbox.post([ToDoor.rings, toLink, toDoor])
  outbox.useRing(toDoor)
  return new RingReader(toLink)
}
