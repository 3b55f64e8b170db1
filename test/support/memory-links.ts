// An in-memory twin of the links between nodes, for tests and simulation: the same doors and rules (owners by placement, partial answers, NOT_HERE,
// OWNER_GONE, peers that come and go, time-outs), with time and order from an Env. Bodies are copied on their way, as over a real link.

import type { Env, Timer } from '../../src/env/env.js'
import {
  type LinkAnswer,
  type LinkDoor,
  LinkError,
  type LinkHandler,
  type LinkPart,
  LinkStatus,
  type OnLinkAnswer,
} from '../../src/link/door.js'
import type { Uuid } from '../../src/model/topic-partition.js'

/** The door of the thread coordinator. */
export const COORDINATOR = -1
const EMPTY = new Uint8Array(0)

export interface MemoryLinkOptions {
  readonly env: Env
  /** How long a message takes; called for each, in order. Those of one direction do not overtake each other. */
  delayMs?(from: number, to: number): number
  /** Has a message that has come to `to`: runs `arrive`, now or later (a node that is paused, a direction that is cut). Absent: now. */
  deliver?(from: number, to: number, arrive: () => void): void
  /** The Env of a node, whose pauses its timeouts share. Absent: `env`. */
  envOf?(nodeId: number): Env
}

interface OpenCall {
  readonly from: MemoryDoor
  readonly peer: number
  readonly onAnswer: OnLinkAnswer
  readonly answered: Set<number>
  readonly count: number
  readonly timer: Timer
  resolve(): void
  reject(error: LinkError): void
}

export class MemoryLinks {
  private readonly options: MemoryLinkOptions
  private readonly nodes = new Map<number, MemoryNode>()
  private readonly cuts = new Set<string>()
  /** When the last message of a direction arrives. */
  private readonly arrivals = new Map<string, number>()

  constructor(options: MemoryLinkOptions) {
    this.options = options
  }

  get env(): Env {
    return this.options.env
  }

  /** A node that is up; one of that id before it goes down first. */
  start(nodeId: number): MemoryNode {
    this.stop(nodeId)
    const node = new MemoryNode(this, nodeId)
    this.nodes.set(nodeId, node)
    this.refresh()
    return node
  }

  stop(nodeId: number): void {
    const node = this.nodes.get(nodeId)
    if (!node) return
    this.nodes.delete(nodeId)
    node.end()
    this.refresh()
  }

  /** No message between the two from here on; what is on its way is lost. */
  cut(a: number, b: number): void {
    this.cuts.add(pair(a, b))
    this.refresh()
  }

  heal(a: number, b: number): void {
    this.cuts.delete(pair(a, b))
    this.refresh()
  }

  /** Every node's view of who is up, in the order of ids. */
  refresh(): void {
    for (const node of [...this.nodes.values()].toSorted((a, b) => a.nodeId - b.nodeId)) node.refresh()
  }

  linked(from: number, to: number): boolean {
    return this.nodes.has(from) && this.nodes.has(to) && !this.cuts.has(pair(from, to))
  }

  node(nodeId: number): MemoryNode | undefined {
    return this.nodes.get(nodeId)
  }

  /** Runs `arrive` at the other node, unless either has gone or been cut off meanwhile. */
  carry(from: MemoryNode, to: MemoryNode, arrive: () => void): void {
    const { env } = this.options
    const direction = `${from.nodeId}>${to.nodeId}`
    const now = env.clock.monotonic()
    const due = Math.max(now + (this.options.delayMs?.(from.nodeId, to.nodeId) ?? 0), this.arrivals.get(direction) ?? 0)
    this.arrivals.set(direction, due)
    const epoch = from.epochOf(to.nodeId)
    const unlessGone = (): void => {
      const same = this.nodes.get(from.nodeId) === from && this.nodes.get(to.nodeId) === to && from.epochOf(to.nodeId) === epoch
      if (same && this.linked(from.nodeId, to.nodeId)) arrive()
    }
    env.timers.after(due - now, () => {
      if (this.options.deliver) this.options.deliver(from.nodeId, to.nodeId, unlessGone)
      else unlessGone()
    })
  }

  envOf(nodeId: number): Env {
    return this.options.envOf?.(nodeId) ?? this.env
  }
}

function pair(a: number, b: number): string {
  return `${Math.min(a, b)}-${Math.max(a, b)}`
}

export class MemoryNode {
  readonly nodeId: number
  private readonly net: MemoryLinks
  private readonly doors = new Map<number, MemoryDoor>()
  private readonly placement = new Map<Uuid, Int16Array>()
  private peers = new Set<number>()
  private readonly up = new Set<number>()
  /** Counts the ends of links to each peer: what was sent before one does not arrive after it. */
  private readonly epochs = new Map<number, number>()

  constructor(net: MemoryLinks, nodeId: number) {
    this.net = net
    this.nodeId = nodeId
  }

  /** The door of a worker, or of COORDINATOR; made on first use. */
  door(number: number): MemoryDoor {
    let door = this.doors.get(number)
    if (!door) this.doors.set(number, (door = new MemoryDoor(this.net, this, number)))
    return door
  }

  /** A worker died: what it was asked is OWNER_GONE, what it asked is rejected. The next `door(number)` is its successor's. */
  kill(number: number): void {
    const door = this.doors.get(number)
    this.doors.delete(number)
    door?.end('the worker ended')
  }

  setPeers(peers: Iterable<number>): void {
    this.peers = new Set([...peers].filter((peer) => peer !== this.nodeId).toSorted((a, b) => a - b))
    this.refresh()
  }

  setPlacement(topicId: Uuid, owners: Int16Array | null): void {
    if (owners) this.placement.set(topicId, owners)
    else this.placement.delete(topicId)
  }

  isUp(peer: number): boolean {
    return this.up.has(peer)
  }

  get upPeers(): readonly number[] {
    return [...this.up].toSorted((a, b) => a - b)
  }

  epochOf(peer: number): number {
    return this.epochs.get(peer) ?? 0
  }

  ownerOf({ topicId, partition }: LinkPart): MemoryDoor | LinkStatus {
    if (topicId === null) return this.doors.get(COORDINATOR) ?? LinkStatus.ownerGone
    const owner = this.placement.get(topicId)?.[partition] ?? -1
    return owner < 0 ? LinkStatus.notHere : (this.doors.get(owner) ?? LinkStatus.ownerGone)
  }

  refresh(): void {
    for (const peer of this.upPeers) if (!this.peers.has(peer) || !this.net.linked(this.nodeId, peer)) this.turn(peer, false)
    for (const peer of this.peers) if (!this.up.has(peer) && this.net.linked(this.nodeId, peer)) this.turn(peer, true)
  }

  end(): void {
    for (const door of this.doors.values()) door.end('the node ended')
  }

  private turn(peer: number, up: boolean): void {
    if (up) this.up.add(peer)
    else {
      this.up.delete(peer)
      this.epochs.set(peer, this.epochOf(peer) + 1)
      const other = this.net.node(peer)
      other?.epochs.set(this.nodeId, other.epochOf(this.nodeId) + 1)
    }
    for (const door of this.doors.values()) door.notice(peer, up)
  }
}

export class MemoryDoor implements LinkDoor {
  private readonly net: MemoryLinks
  private readonly node: MemoryNode
  private readonly number: number
  private readonly handlers = new Map<number, LinkHandler>()
  private readonly listeners = new Set<(peer: number, up: boolean) => void>()
  private readonly calls = new Set<OpenCall>()
  /** Parts given to the handlers here and not answered: how to answer each. */
  private readonly serving = new Set<(status: LinkStatus) => void>()
  private ended = false

  constructor(net: MemoryLinks, node: MemoryNode, number: number) {
    this.net = net
    this.node = node
    this.number = number
  }

  call(peer: number, kind: number, parts: readonly LinkPart[], onAnswer: OnLinkAnswer, timeoutMs: number): Promise<void> {
    if (parts.length === 0) return Promise.resolve()
    const other = this.net.node(peer)
    if (this.ended || !other || !this.node.isUp(peer))
      return Promise.reject(new LinkError('ERR_MILLRACE_LINK_DOWN', `there is no link to node ${peer}`))
    const sent = parts.map((part) => ({ ...part, body: Uint8Array.from(part.body) }))
    return new Promise<void>((resolve, reject) => {
      const timer = this.net
        .envOf(this.node.nodeId)
        .timers.after(timeoutMs, () =>
          this.settle(
            call,
            new LinkError('ERR_MILLRACE_LINK_TIMEOUT', `node ${peer} left ${parts.length - call.answered.size} parts unanswered`),
          ),
        )
      const call: OpenCall = { from: this, peer, onAnswer, answered: new Set(), count: parts.length, timer, resolve, reject }
      this.calls.add(call)
      this.net.carry(this.node, other, () => arrive(this.net, this.node, other, kind, sent, call))
    })
  }

  handle(kind: number, handler: LinkHandler): void {
    this.handlers.set(kind, handler)
  }

  onPeer(listener: (peer: number, up: boolean) => void): () => void {
    this.listeners.add(listener)
    for (const peer of this.node.upPeers) listener(peer, true)
    return () => void this.listeners.delete(listener)
  }

  isUp(peer: number): boolean {
    return !this.ended && this.node.isUp(peer)
  }

  /** For `MemoryNode`. */
  notice(peer: number, up: boolean): void {
    if (!up)
      for (const call of this.calls) if (call.peer === peer) this.settle(call, new LinkError('ERR_MILLRACE_LINK_DOWN', 'the link broke'))
    for (const listener of this.listeners) listener(peer, up)
  }

  end(reason: string): void {
    this.ended = true
    for (const call of this.calls) this.settle(call, new LinkError('ERR_MILLRACE_LINK_DOWN', reason))
    for (const answer of this.serving) answer(LinkStatus.ownerGone)
    this.listeners.clear()
  }

  serve(
    peer: number,
    kind: number,
    parts: readonly LinkPart[],
    reply: (index: number, body: LinkAnswer, status: LinkStatus) => void,
  ): void {
    const finish = parts.map((_, index) => {
      const done = (status: LinkStatus, body: LinkAnswer = EMPTY): void => {
        if (!this.serving.has(done)) return
        reply(index, body, status)
        this.serving.delete(done)
      }
      this.serving.add(done)
      return done
    })
    const handler = this.handlers.get(kind)
    if (!handler) return finish.forEach((done) => done(LinkStatus.failed))
    try {
      handler(peer, parts, (index, body) => finish[index]?.(LinkStatus.ok, body))
    } catch (error) {
      this.net.env.logger.error({ node: this.node.nodeId, door: this.number, error: String(error) }, 'a handler of link calls failed')
      for (const done of finish) done(LinkStatus.failed)
    }
    for (const { body } of parts) spoil(body)
  }

  answered(call: OpenCall, index: number, body: Uint8Array, status: LinkStatus): void {
    if (!this.calls.has(call) || call.answered.has(index)) return
    call.answered.add(index)
    call.onAnswer(index, body, status)
    spoil(body)
    if (call.answered.size === call.count) this.settle(call, null)
  }

  private settle(call: OpenCall, error: LinkError | null): void {
    if (!this.calls.delete(call)) return
    call.timer.cancel()
    if (error) call.reject(error)
    else call.resolve()
  }
}

function copyOf(answer: LinkAnswer): Uint8Array {
  if (answer instanceof Uint8Array) return Uint8Array.from(answer)
  const bytes = new Uint8Array(answer.length)
  answer.write(bytes, 0)
  return bytes
}

/** A body is there only until who got it returns. */
function spoil(body: Uint8Array): void {
  body.fill(0xee)
}

/** At the called node: its parts to their owners, each owner's together. */
function arrive(net: MemoryLinks, from: MemoryNode, to: MemoryNode, kind: number, parts: readonly LinkPart[], call: OpenCall): void {
  const reply = (index: number, body: LinkAnswer, status: LinkStatus): void => {
    const joined = copyOf(body)
    net.carry(to, from, () => call.from.answered(call, index, joined, status))
  }
  const byOwner = new Map<MemoryDoor, number[]>()
  for (const [index, part] of parts.entries()) {
    const owner = to.ownerOf(part)
    if (!(owner instanceof MemoryDoor)) reply(index, EMPTY, owner)
    else if (byOwner.has(owner)) byOwner.get(owner)!.push(index)
    else byOwner.set(owner, [index])
  }
  for (const [owner, indexes] of byOwner)
    owner.serve(
      from.nodeId,
      kind,
      indexes.map((index) => parts[index]!),
      (local, body, status) => reply(indexes[local]!, body, status),
    )
}
