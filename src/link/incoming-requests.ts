// The requests of peers, from the link to the owners of their parts and back: which owner has which parts of what, and requests that wait because too
// many answers do. Runs on the link thread.
//
// Bounds: answers that wait for a link are at most `queueBytes`. Beyond it the peer's next requests do not reach their owners (they are held, hence
// not given back, hence the peer sends no more); at four times as much the link is closed.

import type { Logger } from '../env/env.js'
import type { RingBody } from '../threads/shared-ring.js'
import { LinkStatus } from './door.js'
import { ItemType } from './frames.js'
import { bytesOf, received, release, ringBodyOf, ToDoor, type ToLinkAnswer } from './port-messages.js'
import { gather, routeParts, ZERO_KEY } from './request-body.js'
import { COORDINATOR, type Door, hold, type RoutedLink } from './router-door.js'
import type { IncomingItem } from './session.js'
import type { LinkSettings } from './settings.js'

const NOT_HERE = -2
const EMPTY = new Uint8Array(0)

/** A link and what its peer asked on it. */
export interface ServedLink {
  readonly link: RoutedLink
  /** Requests that an owner has. */
  readonly open: Set<number>
  readonly waiting: IncomingItem[]
}

/** A request of a peer, as given to one owner. */
interface Open {
  readonly from: ServedLink
  readonly door: number
  readonly correlation: number
  readonly unanswered: Set<number>
}

export class IncomingRequests {
  private readonly settings: LinkSettings
  private readonly logger: Logger
  private readonly doors: ReadonlyMap<number, Door>
  private readonly placement = new Map<string, Int16Array>()
  private readonly open = new Map<number, Open>()
  private nextRequest = 1

  constructor(settings: LinkSettings, logger: Logger, doors: ReadonlyMap<number, Door>) {
    this.settings = settings
    this.logger = logger
    this.doors = doors
  }

  get count(): number {
    return this.open.size
  }

  setPlacement(topicKey: string, owners: Int16Array | null): void {
    if (owners) this.placement.set(topicKey, owners)
    else this.placement.delete(topicKey)
  }

  take(from: ServedLink, item: IncomingItem): void {
    const { session } = from.link
    if (from.waiting.length === 0 && session.queue.queuedBytes <= this.settings.queueBytes) return this.dispatch(from, item)
    from.waiting.push({ ...item, body: Uint8Array.from(item.body) })
    session.hold(item.body.length)
  }

  /** Answers left: requests that waited go on. */
  drained(from: ServedLink): void {
    const { session } = from.link
    while (from.waiting.length > 0 && session.queue.queuedBytes <= this.settings.queueBytes) {
      const item = from.waiting.shift()!
      session.release(item.body.length)
      this.dispatch(from, item)
    }
  }

  cancelled(from: ServedLink, correlation: number): void {
    for (const id of from.open) if (this.open.get(id)?.correlation === correlation) this.forget(id, this.open.get(id)!)
    from.link.session.queue.drop((item) => item.correlation === correlation)
    const index = from.waiting.findIndex((item) => item.correlation === correlation)
    if (index >= 0) from.link.session.release(from.waiting.splice(index, 1)[0]!.body.length)
  }

  answered(door: Door, [, id, index, status, given, selfChecked]: ToLinkAnswer): void {
    const held = received(given, door.ring)
    const request = this.open.get(id)
    // Cancelled, or its link is gone.
    if (!request || request.door !== door.number || !request.unanswered.delete(index)) return release(held)
    if (request.unanswered.size === 0) this.forget(id, request)
    this.enqueueAnswer(request.from.link, request.correlation, index, status, held, selfChecked)
  }

  /** The thread is gone: what it was asked is answered so. */
  doorGone(number: number): void {
    for (const [id, request] of this.open) {
      if (request.door !== number) continue
      const { from, correlation } = request
      for (const index of request.unanswered) this.enqueueAnswer(from.link, correlation, index, LinkStatus.ownerGone, EMPTY)
      this.forget(id, request)
    }
  }

  linkDown(from: ServedLink): void {
    for (const request of from.open) this.open.delete(request)
  }

  private dispatch(from: ServedLink, item: IncomingItem): void {
    const { link } = from
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
      this.open.set(request, { from, door: owner, correlation: item.correlation, unanswered: new Set(group.indexes) })
      from.open.add(request)
      hold(door, link, group.bytes)
      const body = door.outbox.body(group.bytes, item.body.byteOffset % 8, (target, at) => gather(item.body, group, target, at))
      door.outbox.post([ToDoor.request, request, link.id, link.session.agreed.peer, item.kind, group.indexes, body])
    }
  }

  private ownerOf(topic: string, partition: number): number {
    if (topic === ZERO_KEY) return COORDINATOR
    const owner = this.placement.get(topic)?.[partition]
    return owner === undefined || owner < 0 ? NOT_HERE : owner
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
    } else link.session.enqueue({ type: ItemType.answer, status, correlation, index, kind: 0, body, held: ringBodyOf(held), selfChecked })
    if (queue.queuedBytes > 4 * this.settings.queueBytes)
      link.close(`${queue.queuedBytes} bytes of answers wait; the limit is ${4 * this.settings.queueBytes} (4 times link queueBytes)`)
    else link.wake()
  }

  private forget(id: number, request: Open): void {
    this.open.delete(id)
    request.from.open.delete(id)
  }
}
