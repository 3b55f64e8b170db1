// A network in memory: connections that keep order, take time, break, and are made again. A cut direction holds what is
// sent until it heals (then it arrives late, or the connection is reset and it is gone). After a reset, what was on its way
// may still arrive on top of the new connection: members must know it for old.

import type { PeerHandler, PeerTransport } from '../../../src/ensemble/quorum/transport.js'
import type { Counts, SimWorld } from './world.js'

interface Direction {
  cut: boolean
  readonly held: Buffer[]
  lastArrival: number
}

interface Pair {
  up: boolean
  /** Messages of an earlier connection are known by it. */
  generation: number
  readonly ways: Map<number, Direction>
}

export class SimNetwork {
  readonly #world: SimWorld
  readonly #counts: Counts
  readonly #hosts = new Map<number, PeerHandler>()
  readonly #pairs = new Map<string, Pair>()
  /** Changes bytes on their way, or returns them. */
  tamper: (bytes: Buffer) => Buffer = (bytes) => bytes
  latency: () => number

  constructor(world: SimWorld, counts: Counts) {
    this.#world = world
    this.#counts = counts
    this.latency = () => world.between(0.1, 2)
  }

  transport(id: number): PeerTransport {
    let handler: PeerHandler | null = null
    return {
      start: (given) => {
        handler = given
        this.#hosts.set(id, given)
        for (const other of this.#hosts.keys()) if (other !== id) this.#connectSoon(id, other)
      },
      send: (to, bytes) => {
        if (handler !== null && this.#hosts.get(id) === handler) this.#send(id, to, bytes)
      },
      setMembers: () => undefined,
      close: async () => {
        if (this.#hosts.get(id) === handler) this.remove(id)
      },
    }
  }

  /** The host is gone; its peers notice by their connections. */
  remove(id: number): void {
    this.#hosts.delete(id)
    for (const [key, pair] of this.#pairs) {
      const [a, b] = key.split('-').map(Number)
      if (pair.up && (a === id || b === id)) this.reset(a!, b!, false)
    }
  }

  cut(from: number, to: number): void {
    this.#way(from, to).cut = true
  }

  heal(from: number, to: number, reset: boolean): void {
    const way = this.#way(from, to)
    if (!way.cut) return
    way.cut = false
    const held = way.held.splice(0)
    if (reset) this.reset(from, to, true)
    else for (const bytes of held) this.#send(from, to, bytes)
  }

  healAll(): void {
    for (const key of this.#pairs.keys()) {
      const [a, b] = key.split('-').map(Number)
      this.heal(a!, b!, true)
      this.heal(b!, a!, true)
    }
  }

  /** The connection breaks; a new one comes if both are there. */
  reset(a: number, b: number, again: boolean): void {
    const pair = this.#pair(a, b)
    if (!pair.up) return
    pair.up = false
    pair.generation++
    this.#counts.add('connection reset')
    for (const way of pair.ways.values()) way.held.length = 0
    for (const [here, there] of [
      [a, b],
      [b, a],
    ] as const) {
      const handler = this.#hosts.get(here)
      this.#world.after(this.#world.between(0, 2), () => {
        if (handler && this.#hosts.get(here) === handler) handler.onPeer(there, false)
      })
    }
    if (again) this.#connectSoon(a, b)
  }

  #connectSoon(a: number, b: number): void {
    this.#world.after(this.#world.between(3, 60), () => this.#connect(a, b))
  }

  #connect(a: number, b: number): void {
    const pair = this.#pair(a, b)
    const [here, there] = [this.#hosts.get(a), this.#hosts.get(b)]
    if (pair.up || !here || !there) return
    if (this.#way(a, b).cut || this.#way(b, a).cut) {
      this.#connectSoon(a, b)
      return
    }
    pair.up = true
    pair.generation++
    const { generation } = pair
    here.onPeer(b, true)
    // The other side may have gone in what the first one did.
    if (pair.generation === generation && this.#hosts.get(b) === there) there.onPeer(a, true)
  }

  #send(from: number, to: number, bytes: Buffer): void {
    const pair = this.#pair(from, to)
    const way = this.#way(from, to)
    if (!pair.up) return
    if (way.cut) {
      if (way.held.length < 10_000) way.held.push(bytes)
      return
    }
    const { generation } = pair
    const handler = this.#hosts.get(to)
    const sent = this.tamper(bytes)
    const late = this.#world.chance(0.05)
    way.lastArrival = Math.max(this.#world.now + this.latency(), way.lastArrival)
    this.#world.after(way.lastArrival - this.#world.now, () => {
      if (!handler || this.#hosts.get(to) !== handler) return
      if (pair.generation === generation) handler.onMessage(from, sent)
      else if (late) this.#arriveLate(handler, from, to, sent)
      else this.#counts.add('lost message')
    })
  }

  #arriveLate(handler: PeerHandler, from: number, to: number, bytes: Buffer): void {
    this.#world.after(this.#world.between(0, 150), () => {
      if (this.#hosts.get(to) !== handler || !this.#pair(from, to).up) return
      this.#counts.add('late message')
      handler.onMessage(from, bytes)
    })
  }

  #pair(a: number, b: number): Pair {
    const key = a < b ? `${a}-${b}` : `${b}-${a}`
    let pair = this.#pairs.get(key)
    if (!pair) this.#pairs.set(key, (pair = { up: false, generation: 0, ways: new Map() }))
    return pair
  }

  #way(from: number, to: number): Direction {
    const { ways } = this.#pair(from, to)
    let way = ways.get(from)
    if (!way) ways.set(from, (way = { cut: false, held: [], lastArrival: 0 }))
    return way
  }
}
