// One seed: an ensemble of three or five (and an observer) with its real code, over virtual time, network and disk; clients that
// write, faults that interrupt, and after every event what must hold. Then everything heals, and it must become whole again.

import { crc32c } from '@node-rs/crc32'
import { createHash } from 'node:crypto'
import type { EnsembleConfig } from '../../../src/ensemble/quorum/config.js'
import type { Effect, Planted } from '../../../src/ensemble/quorum/core.js'
import { QuorumMember } from '../../../src/ensemble/quorum/quorum-member.js'
import { encodeSnapshot } from '../../../src/ensemble/store/snapshot.js'
import { ByteWriter } from '../../../src/ensemble/store/bytes.js'
import { writeTxn } from '../../../src/ensemble/store/txn-codec.js'
import { ZkCode } from '../../../src/ensemble/tree/codes.js'
import { OPEN_ACL, type Txn } from '../../../src/ensemble/tree/types.js'
import { ZnodeError, type ZnodeClient } from '../../../src/ensemble/znode-client.js'
import type { Random } from '../../../src/env/env.js'
import { seededRandom } from '../../support/sim-env.js'
import type { History as ClientHistory } from './history.js'
import { SimDisk } from '../support/member-disk.js'
import { SimNetwork } from '../support/network.js'
import { Counts, SimWorld } from '../support/world.js'

export interface RunOptions {
  readonly seed: number
  readonly planted?: Planted
  /** Disks that are full, syncs that fail; drawn apart, so that a seed is without them what it was before there were any. Default: yes. */
  readonly diskFaults?: boolean
  /** Virtual milliseconds with faults. */
  readonly durationMs?: number
  readonly log?: (line: string) => void
  /** More clients, whose operations are written down; the trees are not compared then. */
  readonly history?: ClientHistory
}

export class InvariantBroken extends Error {}

const TICK_MS = 100
const SESSION_MS = 8 * TICK_MS

interface Node {
  readonly id: number
  readonly disk: SimDisk
  member: QuorumMember | null
  kill: () => void
  client: ZnodeClient | null
}

/** What everybody must agree on: the transactions in their order, each by a digest. */
class History {
  readonly #next = new Map<bigint, bigint>()
  readonly #digests = new Map<bigint, number>()
  last = 0n

  /** A member applied `zxid` right after `previous`. */
  applied(id: number, previous: bigint, zxid: bigint, digest: number): boolean {
    const next = this.#next.get(previous)
    if (next === undefined) {
      if (previous !== this.last)
        throw new InvariantBroken(`member ${id} applied ${hex(zxid)} after ${hex(previous)}, which is not in the history`)
      this.#next.set(previous, zxid)
      this.#digests.set(zxid, digest)
      this.last = zxid
      return true
    }
    if (next !== zxid)
      throw new InvariantBroken(
        `member ${id} applied ${hex(zxid)} after ${hex(previous)}; agreed was ${hex(next)}: an agreed write is lost`,
      )
    if (this.#digests.get(zxid) !== digest) throw new InvariantBroken(`member ${id} applied another transaction as ${hex(zxid)}`)
    return false
  }

  has(zxid: bigint): boolean {
    return zxid === 0n || this.#digests.has(zxid)
  }
}

const hex = (value: bigint): string => `0x${value.toString(16)}`

export class EnsembleRun {
  readonly counts = new Counts()
  readonly #world: SimWorld
  readonly #network: SimNetwork
  readonly #nodes: Node[]
  readonly #config: EnsembleConfig
  readonly #options: RunOptions
  readonly #diskRandom: Random
  readonly #history = new History()
  readonly #leaders = new Map<number, number>()
  readonly #acknowledged = new Set<bigint>()
  /** Sessions ended by their own client: not by expiry. */
  readonly #closedByClient = new Set<bigint>()
  readonly #holders = new Map<bigint, ZnodeClient>()
  /** Stopped by themselves, and somebody is on the way. */
  readonly #seen = new WeakSet<QuorumMember>()
  #faults = true
  #working = true
  #wrote = 0
  #failure: Error | null = null

  constructor(options: RunOptions) {
    this.#options = options
    this.#world = new SimWorld(options.seed)
    this.#diskRandom = seededRandom(options.seed ^ 0x0d15_f417)
    this.#network = new SimNetwork(this.#world, this.counts)
    const voters = this.#world.chance(0.7) ? 3 : 5
    const observers = this.#world.chance(0.3) ? 1 : 0
    this.#config = {
      servers: Array.from({ length: voters + observers }, (_, i) => ({
        id: i + 1,
        host: `m${i + 1}`,
        port: 1,
        voter: i < voters,
        clientAddress: null,
      })),
    }
    this.#nodes = this.#config.servers.map(({ id }) => ({
      id,
      disk: new SimDisk(this.#world, this.counts),
      member: null,
      kill: () => undefined,
      client: null,
    }))
    this.#network.tamper = (bytes) => {
      // A piece of a snapshot (kind 5) with a flipped bit near its end.
      if (bytes[0] !== 5 || !this.#world.chance(0.3)) return bytes
      this.counts.add('damaged snapshot')
      const damaged = Buffer.from(bytes)
      damaged[damaged.length - 5 - Math.floor(this.#world.random.next() * Math.min(20, damaged.length - 40))]! ^= 1
      return damaged
    }
  }

  async run(): Promise<Counts> {
    for (const node of this.#nodes) this.#world.after(this.#world.between(0, 50), () => this.#start(node))
    for (const node of this.#nodes) this.#work(node)
    this.#disturb()
    if (this.#options.diskFaults !== false) this.#disturbDisks()
    const end = this.#options.durationMs ?? 4000
    await this.#world.run(end, () => this.#check())
    await this.#recover(end)
    this.counts.add('event', this.#world.events)
    return this.counts
  }

  #log(line: string): void {
    this.#options.log?.(`${this.#world.now.toFixed(1).padStart(9)} ${line}`)
  }

  #start(node: Node): void {
    if (node.member) return
    const { env, kill, alive } = this.#world.life({
      debug: () => undefined,
      warn: (_, text) => {
        if (text.includes('takes part')) this.counts.add('takes part again')
      },
      info: (fields, text) =>
        this.#log(`m${node.id} ${text} ${JSON.stringify(fields, (_, v: unknown) => (typeof v === 'bigint' ? hex(v) : v))}`),
      error: (fields, text) => {
        if (text.includes('takes no part')) this.counts.add('stands aside')
        this.#log(`m${node.id} ERROR ${text} ${JSON.stringify(fields)}`)
      },
      child: () => env.logger,
    })
    node.kill = kill
    this.#log(`m${node.id} starts`)
    const member = QuorumMember.open({
      dir: 'd',
      env,
      memberId: node.id,
      config: this.#config,
      transport: this.#network.transport(node.id),
      tickMs: TICK_MS,
      disk: node.disk,
      snapshotAfterBytes: 4000,
      windowBytes: 2500,
      reapIntervalMs: 500,
      trace: (effect) => this.#trace(node, effect),
      ...(this.#options.planted ? { planted: this.#options.planted } : {}),
    })
    node.member = member
    this.#watchTree(node, member, alive)
    void this.#connect(node, member, alive)
    this.#options.history?.join(this.#world, member, alive, SESSION_MS)
  }

  /** Everything that changes the tree is held against the history. */
  #watchTree(node: Node, member: QuorumMember, alive: () => boolean): void {
    const { tree } = member
    if (!this.#history.has(tree.lastZxid))
      throw new InvariantBroken(`member ${node.id} starts at ${hex(tree.lastZxid)}, which was never agreed`)
    const apply = tree.apply.bind(tree)
    tree.apply = (txn, zxid, time) => {
      if (!alive()) throw new Error('a dead member applies')
      const isFirst = this.#guard(() => this.#history.applied(node.id, tree.lastZxid, zxid, digest(txn, time)))
      const applied = apply(txn, zxid, time)
      if (isFirst && txn.body.kind === 'closeSession' && applied.result.code === ZkCode.ok) this.#sessionEnds(txn.sessionId)
      if (txn.body.kind === 'moveSession' && applied.result.code === ZkCode.ok && isFirst) this.counts.add('session moved')
      if (applied.result.code === ZkCode.sessionMoved && isFirst) this.counts.add('refused: session moved')
      if (txn.body.kind === 'reap' && applied.result.code === ZkCode.ok && isFirst) this.counts.add('reaped')
      return applied
    }
    const become = tree.become.bind(tree)
    tree.become = (other) => {
      this.counts.add('snapshot installed')
      this.#guard(() => {
        if (this.#history.has(other.lastZxid) && other.lastZxid >= tree.lastZxid) return true
        throw new InvariantBroken(`member ${node.id} takes a snapshot at ${hex(other.lastZxid)} over ${hex(tree.lastZxid)}`)
      })
      return become(other)
    }
  }

  /** What breaks inside the member's own calls is reported after the event. */
  #guard(act: () => boolean): boolean {
    try {
      return act()
    } catch (error) {
      this.#failure ??= error as Error
      return false
    }
  }

  #sessionEnds(sessionId: bigint): void {
    if (this.#closedByClient.has(sessionId)) return
    this.counts.add('session expired')
    const holder = this.#holders.get(sessionId)
    if (holder && holder.mayActUntil() > this.#world.now) {
      this.#failure ??= new InvariantBroken(
        `session ${hex(sessionId)} expired at ${this.#world.now}, its holder may act until ${holder.mayActUntil()}`,
      )
    }
  }

  #trace(node: Node, effect: Effect): void {
    if (effect.kind === 'persist' && effect.op.kind === 'truncate') this.counts.add('truncation')
    if (effect.kind === 'persist' && effect.op.kind === 'epochs' && this.#faults && this.#world.chance(0.04))
      this.#crashWhilePromising(node)
    if (effect.kind === 'role' && effect.role === 'leader') this.counts.add('election')
    if (effect.kind === 'fatal') this.#failure ??= new InvariantBroken(`member ${node.id}: ${effect.reason}`)
    if (effect.kind === 'role' && effect.role === 'looking') this.counts.add('looking')
    if (effect.kind === 'lost') this.counts.add('fate unknown')
    if (this.#options.log && (effect.kind === 'send' || effect.kind === 'persist') && process.env['SIM_MESSAGES']) {
      const said = effect.kind === 'send' ? `-> m${effect.to} ${effect.message.kind}` : `saves ${effect.op.kind}`
      this.#log(
        `  m${node.id} ${said} ${JSON.stringify(effect.kind === 'send' ? effect.message : effect.op, (key, v: unknown) => (typeof v === 'bigint' ? hex(v) : key === 'payload' || key === 'snapshot' || key === 'bytes' ? undefined : v))}`,
      )
    }
  }

  async #connect(node: Node, member: QuorumMember, alive: () => boolean): Promise<void> {
    const client = await member.connect(SESSION_MS).catch(() => null)
    if (!client || !alive()) return
    node.client = client
    this.#holders.set(client.sessionId, client)
    client.create(`/e${client.sessionId}`, null, { mode: 'ephemeral' }).catch(ignoreLoss)
    client.onState((state) => {
      this.#log(`m${node.id} session ${state}`)
      if (state === 'expired' && alive()) void this.#connect(node, member, alive)
    })
  }

  /** One client per member: writes at times of its own, several at once. */
  #work(node: Node): void {
    this.#world.after(this.#world.between(5, 120), () => {
      if (!this.#working) return
      this.#work(node)
      const { client, member } = node
      if (!client || !member || client.state !== 'connected') return
      for (let n = Math.floor(this.#world.between(1, 4)); n > 0; n--) this.#write(client)
      if (this.#world.chance(0.02)) void this.#moveSession(node, member)
      if (this.#world.chance(0.01)) {
        this.#closedByClient.add(client.sessionId)
        node.client = null
        const again = (): void => {
          if (node.member === member) void this.#connect(node, member, () => node.member === member)
        }
        client.close().then(again, again)
      }
    })
  }

  #write(client: ZnodeClient): void {
    const key = `/k${Math.floor(this.#world.between(0, 8))}`
    const data = Buffer.from(String(this.#wrote++).padEnd(40, '.'))
    const acknowledge = (zxid: bigint): void => {
      this.counts.add('write')
      this.#acknowledged.add(zxid)
      if (!this.#history.has(zxid)) this.#failure ??= new InvariantBroken(`${hex(zxid)} was acknowledged and is not agreed`)
    }
    const kind = this.#world.random.next()
    if (kind < 0.7)
      client.setData(key, data).then(
        (stat) => acknowledge(stat.mzxid),
        (error: unknown) => this.#createIfMissing(client, key, error),
      )
    else if (kind < 0.8) client.create('/ttl-', data, { mode: 'ttl', ttlMs: 300, sequential: true }).then(() => undefined, ignoreLoss)
    else if (kind < 0.9) client.delete(key).then(() => undefined, ignoreLoss)
    else {
      const ops = [
        { kind: 'setData' as const, path: key, data },
        { kind: 'check' as const, path: '/k0', version: 3 },
      ]
      client.multi(ops).then(({ zxid }) => acknowledge(zxid), ignoreLoss)
    }
  }

  #createIfMissing(client: ZnodeClient, key: string, error: unknown): void {
    ignoreLoss(error)
    if (error instanceof ZnodeError && error.zkCode === ZkCode.noNode) client.create(key, null).then(() => undefined, ignoreLoss)
  }

  /** A client over the wire would go on at another member; the former one must be refused then. */
  async #moveSession(node: Node, member: QuorumMember): Promise<void> {
    const other = this.#world.pick(this.#nodes.filter((each) => each.member && each !== node && each.member.role !== 'looking'))?.member
    if (!other) return
    try {
      const session = await member.createSession(SESSION_MS)
      const body = { kind: 'create', path: '/moving-', data: null, acl: OPEN_ACL, mode: 'ephemeral', sequential: true, ttlMs: 0 } as const
      if ((await other.reattach(session.sessionId, session.password)) === null)
        throw new InvariantBroken('a session that is alive was not taken over')
      const { code } = await member.submit({ sessionId: session.sessionId, auth: [], via: member.memberId, body })
      if (code === ZkCode.ok) throw new InvariantBroken('the former owner of a moved session wrote')
    } catch (error) {
      if (error instanceof InvariantBroken) this.#failure ??= error
      else ignoreLoss(error)
    }
  }

  // --- faults ---

  #disturb(): void {
    this.#world.after(this.#world.between(20, 350), () => {
      if (!this.#faults) return
      this.#disturb()
      const [a, b] = [this.#world.pick(this.#nodes), this.#world.pick(this.#nodes)]
      const kind = this.#world.random.next()
      if (kind < 0.25) this.#crash(a)
      else if (kind < 0.32) for (const node of this.#nodes) this.#crash(node)
      else if (kind < 0.5) this.#partition(a, b)
      else if (kind < 0.65) this.#isolate(a)
      else if (kind < 0.75) this.#slowDisk(a)
      else if (kind < 0.85 && a !== b) this.#network.reset(a.id, b.id, true)
      else void a.member?.snapshot()
    })
  }

  #crash(node: Node, awayMs = 1500): void {
    if (!node.member) return
    this.counts.add('crash')
    this.#end(node, 'crash')
    this.#world.after(this.#world.between(5, awayMs), () => this.#start(node))
  }

  /** `exit`: the process only; the machine keeps what it holds for the disk. */
  #end(node: Node, how: 'crash' | 'exit'): void {
    this.#log(`m${node.id} ${how === 'crash' ? 'crashes' : 'exits'}`)
    node.kill()
    node.member = null
    if (node.client) this.#holders.delete(node.client.sessionId)
    node.client = null
    node.disk[how]()
    this.#network.remove(node.id)
  }

  /** What was promised is on its way to the disk: everything that depends on it must wait. */
  #crashWhilePromising(node: Node): void {
    this.counts.add('crash while promising')
    const { latency } = node.disk
    node.disk.latency = () => this.#world.between(20, 60)
    const { member } = node
    this.#world.after(this.#world.between(1, 60), () => {
      node.disk.latency = latency
      if (node.member !== member) return
      this.#crash(node, 30)
      this.#isolate(this.#world.pick(this.#nodes))
    })
  }

  #partition(a: Node, b: Node): void {
    if (a === b) return
    const bothWays = this.#world.chance(0.5)
    this.counts.add(bothWays ? 'partition' : 'one-way partition')
    this.#log(`m${a.id} -> m${b.id} cut${bothWays ? ', both ways' : ''}`)
    this.#network.cut(a.id, b.id)
    if (bothWays) this.#network.cut(b.id, a.id)
    this.#healLater(a, b)
  }

  #healLater(a: Node, b: Node): void {
    this.#world.after(this.#world.between(50, 1500), () => {
      const reset = this.#world.chance(0.5)
      this.#log(`m${a.id} - m${b.id} heals${reset ? ' by a reset' : ''}`)
      this.#network.heal(a.id, b.id, reset)
      this.#network.heal(b.id, a.id, reset)
    })
  }

  #isolate(node: Node): void {
    this.counts.add('isolation')
    for (const other of this.#nodes) {
      if (other === node) continue
      this.#network.cut(node.id, other.id)
      this.#network.cut(other.id, node.id)
      this.#healLater(node, other)
    }
  }

  #disturbDisks(): void {
    const random = this.#diskRandom
    const between = (low: number, high: number): number => low + random.next() * (high - low)
    this.#world.after(between(100, 1500), () => {
      if (!this.#faults) return
      this.#disturbDisks()
      const node = this.#nodes[Math.floor(random.next() * this.#nodes.length)]!
      const forMs = between(20, 1500)
      if (random.next() < 0.5) {
        this.#log(`m${node.id} has a full disk`)
        node.disk.full = true
        this.#world.after(forMs, () => (node.disk.full = false))
      } else node.disk.failsNextSync = true
    })
  }

  /** Somebody sees to a member that stopped by itself: the process starts anew, and the machine may fail a little later. */
  #see(node: Node): void {
    const { member } = node
    const [after, away, crash] = [this.#diskRandom.next(), this.#diskRandom.next(), this.#diskRandom.next()]
    this.counts.add('member stopped')
    this.#world.after(10 + after * 300, () => {
      if (node.member !== member) return
      this.#end(node, 'exit')
      this.#world.after(5 + away * 50, () => this.#start(node))
      if (crash < 0.6) this.#world.after(60 + crash * 800, () => this.#faults && this.#crash(node))
    })
  }

  #slowDisk(node: Node): void {
    this.counts.add('slow fsync')
    const { latency } = node.disk
    node.disk.latency = () => this.#world.between(30, 200)
    this.#world.after(this.#world.between(100, 800), () => {
      node.disk.latency = latency
    })
  }

  // --- what must hold ---

  #check(): void {
    if (this.#failure) throw this.#failure
    for (const node of this.#nodes) {
      const { id, member } = node
      if (member?.failure && !this.#seen.has(member)) {
        if (!member.failure.message.includes('EIO')) throw new InvariantBroken(`member ${id} stopped: ${member.failure.message}`)
        this.#seen.add(member)
        this.#see(node)
      }
      if (member?.role !== 'leader') continue
      const leader = this.#leaders.get(member.epoch) ?? id
      this.#leaders.set(member.epoch, leader)
      if (leader !== id) throw new InvariantBroken(`epoch ${member.epoch} is led by ${leader} and by ${id}`)
    }
  }

  /** All faults end: everybody follows one leader, holds the same tree, and the sessions of lost processes are gone. */
  async #recover(end: number): Promise<void> {
    this.#faults = false
    this.#network.healAll()
    for (const node of this.#nodes) {
      node.disk.latency = () => this.#world.between(0.2, 2)
      node.disk.full = false
      node.disk.failsNextSync = false
      this.#start(node)
    }
    const serving = (): boolean =>
      this.#nodes.every(({ member, client }) => member !== null && member.role !== 'looking' && client?.state === 'connected')
    const whole = await this.#world.run(end + 15_000, () => this.#check(), serving)
    if (!whole)
      throw new InvariantBroken(
        `not whole 15 s after the last fault: ${this.#nodes.map(({ id, member, client }) => `m${id} ${member?.role} session ${client?.state}`).join(', ')}`,
      )
    await this.#world.run(this.#world.now + 300, () => this.#check())
    this.#working = false
    this.#options.history?.stop()
    if (this.#options.history) return
    await this.#world.run(this.#world.now + SESSION_MS + 4 * TICK_MS + 500, () => this.#check())
    this.#compare()
  }

  #compare(): void {
    const trees = this.#nodes.map(({ member }) => member!.tree)
    const digests = new Set(
      trees.map((tree) =>
        createHash('sha256')
          .update(normalized(encodeSnapshot(tree)))
          .digest('hex'),
      ),
    )
    const ends = trees.map((tree) => hex(tree.lastZxid)).join(', ')
    if (digests.size !== 1) throw new InvariantBroken(`the trees differ at the end (they end at ${ends})`)
    const [tree] = trees
    const live = [...this.#holders.values()].filter((client) => client.state === 'connected').map((client) => client.sessionId)
    const extra = [...tree!.sessions.keys()].filter((id) => !live.includes(id))
    if (extra.length > 0) throw new InvariantBroken(`sessions ${extra.map(hex).join(', ')} of lost clients live on`)
    for (const [path, node] of tree!.nodes) {
      if (node.ephemeralOwner !== 0n && !live.includes(node.ephemeralOwner))
        throw new InvariantBroken(`${path} of a lost session is there still`)
    }
    for (const zxid of this.#acknowledged)
      if (!this.#history.has(zxid)) throw new InvariantBroken(`${hex(zxid)} was acknowledged and is lost`)
  }
}

/** The order of children and sessions in a snapshot is the order of their coming, which a snapshot keeps: nothing to do yet. */
function normalized(bytes: Buffer): Buffer {
  return bytes
}

function digest(txn: Txn, time: number): number {
  const out = new ByteWriter()
  writeTxn(out, 0n, time, txn)
  return crc32c(out.view())
}

/** What a client has to expect while members fail. Anything else is a bug. */
function ignoreLoss(error: unknown): void {
  if (error instanceof ZnodeError) return
  throw error
}

/** Runs one seed. Throws with the seed in the message. */
export async function runSeed(options: RunOptions): Promise<Counts> {
  const run = new EnsembleRun(options)
  try {
    return await run.run()
  } catch (error) {
    throw new Error(`seed ${options.seed}: ${(error as Error).message}`, { cause: error })
  }
}
