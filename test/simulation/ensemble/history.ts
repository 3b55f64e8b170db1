// Clients of a simulated ensemble that keep to a few znodes, and what they saw: each operation with the order of its call and of its end
// among all of them. Whether one order of effects explains it is for porcupine to say (test/wire/zookeeper/porcupine). Reads follow
// a `sync`. Times and choices come from a stream of their own.

import type { Random } from '../../../src/env/env.js'
import type { QuorumMember } from '../../../src/ensemble/quorum/quorum-member.js'
import { ZkCode } from '../../../src/ensemble/tree/codes.js'
import { ZnodeError, type ZnodeClient } from '../../../src/ensemble/znode-client.js'
import { seededRandom } from '../../support/sim-env.js'
import type { SimWorld } from '../support/world.js'

type Kind = 'create' | 'delete' | 'set' | 'get'
type Outcome = 'ok' | 'noNode' | 'nodeExists' | 'badVersion' | 'unknown'

export interface Operation {
  readonly client: number
  readonly key: string
  readonly kind: Kind
  /** Written by `create` and `set`. */
  readonly value: number
  /** Asked for by `delete` and `set`; -1: any. */
  readonly version: number
  readonly call: number
  /** 0: no answer came, or one that says nothing of its fate. */
  end: number
  outcome: Outcome
  sawVersion: number
  sawValue: number
}

const KEYS = 3
const CLIENTS = 2
const OUTCOMES = new Map<number, Outcome>([
  [ZkCode.noNode, 'noNode'],
  [ZkCode.nodeExists, 'nodeExists'],
  [ZkCode.badVersion, 'badVersion'],
])

export class History {
  readonly operations: Operation[] = []
  readonly #random: Random
  #world: SimWorld | null = null
  #clients = 0
  #values = 1
  #clock = 1
  #over = false

  constructor(seed: number) {
    this.#random = seededRandom(seed ^ 0x4157_0123)
  }

  /** Clients of a member that has started, for as long as its process lives. */
  join(world: SimWorld, member: QuorumMember, alive: () => boolean, sessionMs: number): void {
    this.#world = world
    for (let i = 0; i < CLIENTS; i++) void this.#client(member, alive, sessionMs)
  }

  stop(): void {
    this.#over = true
  }

  async #client(member: QuorumMember, alive: () => boolean, sessionMs: number): Promise<void> {
    const client = this.#clients++
    const session = await member.connect(sessionMs).catch(() => null)
    while (session !== null && session.state !== 'expired' && session.state !== 'closed') {
      await new Promise<void>((resolve) => this.#world!.after(2 + this.#random.next() * 60, resolve))
      if (!alive() || this.#over) return
      if (session.state === 'connected') await this.#operate(client, session)
    }
    if (session !== null && alive()) await this.#client(member, alive, sessionMs)
  }

  async #operate(client: number, session: ZnodeClient): Promise<void> {
    const [key, kind, any] = [`/h${Math.floor(this.#random.next() * KEYS)}`, this.#random.next(), this.#random.next()]
    const version = any < 0.5 ? -1 : Math.floor(any * 6) - 3
    const operation: Operation = {
      client,
      key,
      kind: kind < 0.15 ? 'create' : kind < 0.22 ? 'delete' : kind < 0.6 ? 'set' : 'get',
      value: this.#values++,
      version,
      call: this.#clock++,
      end: 0,
      outcome: 'unknown',
      sawVersion: 0,
      sawValue: 0,
    }
    this.operations.push(operation)
    try {
      await act(session, operation)
      operation.outcome = 'ok'
    } catch (error) {
      if (!(error instanceof ZnodeError)) throw error
      operation.outcome = OUTCOMES.get(error.zkCode) ?? 'unknown'
    }
    if (operation.outcome !== 'unknown') operation.end = this.#clock++
  }

  /** A read without an answer says nothing and changes nothing. */
  toString(name: string): string {
    const operations = this.operations.filter(({ kind, outcome }) => kind !== 'get' || outcome !== 'unknown')
    return JSON.stringify({ name, operations })
  }
}

async function act(session: ZnodeClient, operation: Operation): Promise<void> {
  const { key, kind, version } = operation
  const data = Buffer.from(String(operation.value))
  if (kind === 'create') await session.create(key, data)
  else if (kind === 'delete') await session.delete(key, version)
  else if (kind === 'set') operation.sawVersion = (await session.setData(key, data, version)).version
  else {
    await session.sync(key)
    const node = await session.getData(key)
    operation.sawVersion = node.stat.version
    operation.sawValue = Number(Buffer.from(node.data!).toString())
  }
}
