// A node's part in the election of the controller. /controller is an ephemeral of the winner's session and the epoch's
// znode moves on in the same multi, so two controllers never share an epoch, and every write of a controller checks
// that znode's version. Runs on the thread coordinator.
//
//   standby    /controller is another's: its view is kept warm, nothing is read or written
//   candidate  /controller is vacant, or its own: one multi. Lost answer: read back, the incarnation decides
//   controller its view has reached the election; it writes what has to change, and answers
//
// It resigns when the session has ended, when it was not heard for so long that it might have, when a write is fenced,
// or when /controller is not its own any more; then it is a candidate again, under a new epoch.

import type { Env, Timer } from '../env/env.js'
import { ZkCode } from '../ensemble/tree/codes.js'
import { readIfPresent, ZnodeError, type MultiOp, type ZnodeClient } from '../ensemble/znode-client.js'
import { Controller } from './controller.js'
import type { MetadataView } from './metadata-view.js'
import { connected } from './metadata-writer.js'
import { CONTROLLER, CONTROLLER_EPOCH } from './paths.js'
import type { ControllerRules } from './rules.js'
import { decodeController, encodeController, type ControllerNode } from './znode-data.js'

export interface CandidateOptions {
  readonly env: Env
  readonly view: MetadataView
  readonly brokerId: number
  /** Names the data directory: an earlier life of this node need not be waited for. */
  readonly identity: string
  readonly rules: ControllerRules
}

interface Won {
  readonly epoch: number
  readonly epochVersion: number
  readonly zxid: bigint
}

/** What an attempt goes by: it need not be the newest, the multi checks it. */
interface Standing {
  readonly controller: { readonly said: ControllerNode; readonly version: number; readonly owner: bigint } | null
  readonly epoch: { readonly value: number; readonly version: number } | null
}

const PAUSE_MS = 100

export class Candidate {
  readonly #options: CandidateOptions
  readonly #env: Env
  readonly #view: MetadataView
  readonly #listeners = new Set<(controller: Controller | null) => void>()
  #client: ZnodeClient | null = null
  #controller: Controller | null = null
  /** Ends what the campaign waits for. */
  #wake: () => void = () => undefined

  constructor(options: CandidateOptions) {
    this.#options = options
    this.#env = options.env
    this.#view = options.view
  }

  /** The acting controller while this node is it. */
  get controller(): Controller | null {
    return this.#controller
  }

  onController(listener: (controller: Controller | null) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Campaigns on `client`'s session as long as it lives. */
  start(client: ZnodeClient): void {
    this.#client = client
    void this.#campaign(client).catch((error: Error) =>
      this.#env.logger.error({ error: error.message }, 'the campaign for controller ended'),
    )
  }

  /** Resigns, and is no candidate any more. */
  stop(): void {
    this.#client = null
    this.#set(null)
    this.#wake()
  }

  #isLive(client: ZnodeClient): boolean {
    return this.#client === client && client.state !== 'expired' && client.state !== 'closed'
  }

  #set(controller: Controller | null): void {
    const former = this.#controller
    if (former === controller) return
    this.#controller = controller
    former?.resign()
    for (const listener of this.#listeners) listener(controller)
  }

  async #campaign(client: ZnodeClient): Promise<void> {
    // What the view knows saves the first attempt its reads.
    let standing: Standing | null = this.#known()
    while (this.#isLive(client)) {
      try {
        standing ??= await read(client)
        const won = await this.#attempt(client, standing)
        standing = null
        if (won) await this.#serve(client, won)
        else await this.#untilVacant(client)
      } catch (error) {
        if (!this.#isLive(client)) return
        standing = null
        this.#env.logger.debug({ error: (error as Error).message }, 'an election was not decided; it is looked at again')
        await this.#pause(client)
      }
    }
  }

  #known(): Standing {
    const controller = this.#view.node(CONTROLLER)
    const epoch = this.#view.node(CONTROLLER_EPOCH)
    return {
      controller: controller && { said: decodeController(controller.data), version: controller.version, owner: controller.ephemeralOwner },
      epoch: epoch && { value: Number(Buffer.from(epoch.data!).toString('utf8')), version: epoch.version },
    } as Standing
  }

  /** Of this session, an earlier term's or an attempt's whose answer was lost; or of an earlier life of this node. */
  #isOwn(client: ZnodeClient, owner: bigint, said: ControllerNode): boolean {
    return owner === client.sessionId || said.identity === this.#options.identity
  }

  /** Null: somebody else is controller, or was faster; or what an attempt with a lost answer did came in late. */
  async #attempt(client: ZnodeClient, { controller, epoch }: Standing): Promise<Won | null> {
    const { brokerId, identity } = this.#options
    if (controller && !this.#isOwn(client, controller.owner, controller.said)) return null
    const next = (epoch?.value ?? 0) + 1
    const incarnation = Buffer.from(this.#env.random.bytes(12)).toString('base64url')
    const ops: MultiOp[] = [epochOp(epoch, next)]
    if (controller) ops.push({ kind: 'delete', path: CONTROLLER, version: controller.version })
    const data = encodeController({ brokerId, epoch: next, incarnation, identity }, this.#env.clock.now())
    ops.push({ kind: 'create', path: CONTROLLER, data, mode: 'ephemeral' })
    const won = { epoch: next, epochVersion: epoch ? epoch.version + 1 : 0 }
    try {
      return { ...won, zxid: (await client.multi(ops)).zxid }
    } catch (error) {
      if (!(error instanceof ZnodeError)) throw error
      if (error.zkCode !== ZkCode.connectionLoss) return null
      await connected(client, error)
      await client.sync('/')
      const node = await readIfPresent(client, CONTROLLER)
      return node && decodeController(node.data).incarnation === incarnation ? { ...won, zxid: node.stat.czxid } : null
    }
  }

  async #serve(client: ZnodeClient, won: Won): Promise<void> {
    const { env, rules, brokerId } = this.#options
    const view = this.#view
    env.logger.info({ brokerId, epoch: won.epoch }, 'this node is the controller')
    const over = this.#untilOver(client, won)
    let controller: Controller | null = null
    try {
      // The image has all that former controllers wrote BEFORE this one decides anything.
      const reached = await Promise.race([view.reached(won.zxid).then(() => true), over.ended.then(() => false)])
      if (reached && this.#client === client) {
        controller = Controller.start({ client, env, view, brokerId, rules, epochVersion: won.epochVersion, onLost: over.end })
        this.#set(controller)
      }
      await over.ended
    } finally {
      over.stop()
      controller?.resign()
      // A term on a later session may have begun.
      if (controller && this.#controller === controller) this.#set(null)
      env.logger.info({ brokerId, epoch: won.epoch }, 'this node is the controller no more')
    }
  }

  /** `ended` resolves when the term is over, for whatever reason. */
  #untilOver(client: ZnodeClient, won: Won): { readonly ended: Promise<void>; end(): void; stop(): void } {
    let end: () => void = () => undefined
    const ended = new Promise<void>((resolve) => (end = resolve))
    this.#wake = end
    let timer: Timer | null = null
    const check = (): void => {
      timer?.cancel()
      timer = null
      if (!this.#isLive(client)) return end()
      if (client.state !== 'suspended') return
      const left = client.mayActUntil() - this.#env.clock.monotonic()
      if (left <= 0) end()
      else timer = this.#env.timers.after(left, check)
    }
    const offState = client.onState(check)
    const offView = this.#view.onChange(() => {
      const { image } = this.#view
      if (image.zxid >= won.zxid && (image.controllerEpoch !== won.epoch || image.controllerId !== this.#options.brokerId)) end()
    })
    check()
    return {
      ended,
      end,
      stop: () => {
        offState()
        offView()
        timer?.cancel()
      },
    }
  }

  /** Resolves when the view sees no controller but this node, which a session that lives would never take away; or the session is another. */
  async #untilVacant(client: ZnodeClient): Promise<void> {
    const isVacant = (): boolean => {
      const node = this.#view.node(CONTROLLER)
      return !this.#isLive(client) || node === undefined || this.#isOwn(client, node.ephemeralOwner, decodeController(node.data))
    }
    // The one who was faster may not be in the view yet: a pause, and the state is read again if it still is not.
    if (isVacant()) return this.#pause(client)
    await new Promise<void>((resolve) => {
      const stop = (): void => {
        offView()
        offState()
        resolve()
      }
      const check = (): void => {
        if (isVacant()) stop()
      }
      const offView = this.#view.onChange(check)
      const offState = client.onState(check)
      this.#wake = stop
    })
  }

  #pause(client: ZnodeClient): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#env.timers.after(PAUSE_MS * (0.5 + this.#env.random.next()), resolve)
      this.#wake = () => {
        timer.cancel()
        resolve()
      }
      if (!this.#isLive(client)) this.#wake()
    })
  }
}

async function read(client: ZnodeClient): Promise<Standing> {
  const [controller, epoch] = await Promise.all([readIfPresent(client, CONTROLLER), readIfPresent(client, CONTROLLER_EPOCH)])
  return {
    controller: controller && {
      said: decodeController(controller.data),
      version: controller.stat.version,
      owner: controller.stat.ephemeralOwner,
    },
    epoch: epoch && { value: Number(Buffer.from(epoch.data!).toString('utf8')), version: epoch.stat.version },
  }
}

function epochOp(epoch: Standing['epoch'], next: number): MultiOp {
  const data = Buffer.from(String(next))
  if (!epoch) return { kind: 'create', path: CONTROLLER_EPOCH, data }
  return { kind: 'setData', path: CONTROLLER_EPOCH, data, version: epoch.version }
}
