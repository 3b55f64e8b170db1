// The ControllerApi wherever the controller is: in this process, or on another node over an injected call. Calls
// between nodes are JSON; a bigint, wherever it stands, is an object that says so. An answer carries the zxid of the controller's
// image, and the asking node's view reaches that BEFORE the caller hears: who created a topic finds it in his image.
// While no controller answers (or one that is not any more) the call is made again until its deadline.

import type { Env } from '../env/env.js'
import { asBuffer } from '../model/bytes.js'
import { errors } from '../model/errors.js'
import { CONTROLLER_METHODS, controllerDoor, NotControllerError, type ControllerApi, type ControllerMethod } from './controller-api.js'
import type { Controller } from './controller.js'
import type { MetadataView } from './metadata-view.js'

/** Sends `body` to the thread coordinator of `nodeId` and resolves with what its router answered. Rejects when the link broke or took too long. */
export type RemoteCall = (nodeId: number, body: Uint8Array, timeoutMs: number) => Promise<Uint8Array>

export interface ControllerRouterOptions {
  readonly env: Env
  readonly nodeId: number
  readonly view: MetadataView
  /** The acting controller while this node is it. */
  local(): Controller | null
  /** The epoch of this node's registration; null while it has none. */
  brokerEpoch(): bigint | null
  /** Absent: there are no other nodes. */
  readonly call?: RemoteCall
  /** How long a call may look for a controller that answers. */
  readonly deadlineMs?: number
}

interface CallBody {
  readonly method: ControllerMethod
  readonly args: readonly unknown[]
  readonly from: number
  readonly brokerEpoch: bigint | null
}

type ReplyBody =
  | { readonly kind: 'answer'; readonly result: unknown; readonly zxid: bigint }
  | { readonly kind: 'not-controller' | 'stale' }
  | { readonly kind: 'error'; readonly message: string }

const DEADLINE_MS = 30_000
const RETRY_MS = 50
/** The only key of what stands for a bigint. */
const BIG = '$bigint'

export function encodeBody(body: object | null): Uint8Array {
  return Buffer.from(JSON.stringify(body, (_, value: unknown) => (typeof value === 'bigint' ? { [BIG]: value.toString() } : value)))
}

export function decodeBody(bytes: Uint8Array): unknown {
  const text = asBuffer(bytes).toString('utf8')
  return JSON.parse(text, (_, value: unknown) => {
    const digits = (value as { [BIG]?: unknown } | null)?.[BIG]
    return typeof digits === 'string' ? BigInt(digits) : value
  })
}

export class ControllerRouter {
  /** For this node's callers. Rejects with NotControllerError when no controller answered in time. */
  readonly api: ControllerApi
  readonly #options: ControllerRouterOptions

  constructor(options: ControllerRouterOptions) {
    this.#options = options
    this.api = controllerDoor((method, args) => this.#route(method, args))
  }

  async #route(method: ControllerMethod, args: readonly unknown[]): Promise<unknown> {
    const { env, view, deadlineMs } = this.#options
    const until = env.clock.monotonic() + (deadlineMs ?? DEADLINE_MS)
    for (;;) {
      const reply = await this.#once(method, args, until - env.clock.monotonic())
      if (reply.kind === 'error') throw new Error(reply.message)
      if (reply.kind === 'answer' && !isNotController(reply.result)) {
        await view.reached(reply.zxid)
        return reply.result
      }
      if (env.clock.monotonic() + RETRY_MS >= until) {
        if (reply.kind === 'answer') return reply.result
        throw new NotControllerError()
      }
      await this.#untilControllerChanges()
    }
  }

  async #once(method: ControllerMethod, args: readonly unknown[], timeoutMs: number): Promise<ReplyBody> {
    const { local, view, call, nodeId } = this.#options
    const controller = local()
    if (controller) return this.#ask(controller, method, args)
    const { controllerId } = view.image
    if (!call || controllerId === -1 || controllerId === nodeId) return { kind: 'not-controller' }
    const body: CallBody = { method, args, from: nodeId, brokerEpoch: this.#options.brokerEpoch() }
    try {
      return decodeBody(await call(controllerId, encodeBody(body), timeoutMs)) as ReplyBody
    } catch (error) {
      this.#options.env.logger.debug({ error: (error as Error).message, controllerId }, 'the controller did not answer')
      return { kind: 'not-controller' }
    }
  }

  async #ask(controller: Controller, method: ControllerMethod, args: readonly unknown[]): Promise<ReplyBody> {
    try {
      const run = controller[method] as (...values: readonly unknown[]) => Promise<unknown>
      const result = await run(...args)
      return { kind: 'answer', result, zxid: this.#options.view.image.zxid }
    } catch (error) {
      if (error instanceof NotControllerError) return { kind: 'not-controller' }
      return { kind: 'error', message: error instanceof Error ? error.message : String(error) }
    }
  }

  #untilControllerChanges(): Promise<void> {
    const { env, view } = this.#options
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel()
        off()
        resolve()
      }
      const timer = env.timers.after(RETRY_MS, done)
      const off = view.onChange((_, changes) => {
        if (changes.some((change) => change.kind === 'controller')) done()
      })
    })
  }

  /** Serves a call of node `fromPeer` (as the link knows it) that `#once` made there. Never rejects. */
  async handle(fromPeer: number, bytes: Uint8Array): Promise<Uint8Array> {
    return encodeBody(await this.#serve(fromPeer, bytes))
  }

  async #serve(fromPeer: number, bytes: Uint8Array): Promise<ReplyBody> {
    let body: CallBody
    try {
      body = decodeBody(bytes) as CallBody
    } catch (error) {
      return { kind: 'error', message: `a call to the controller could not be read: ${(error as Error).message}` }
    }
    const controller = this.#options.local()
    if (!controller) return { kind: 'not-controller' }
    if (!CONTROLLER_METHODS.includes(body.method) || !Array.isArray(body.args)) {
      return { kind: 'error', message: `the controller knows no call ${String(body.method)}` }
    }
    if (body.from !== fromPeer || speaksForAnother(body, fromPeer)) {
      return { kind: 'error', message: `node ${fromPeer} may not speak for another broker` }
    }
    // A former life of the peer: it has registered anew, and what this call knows may be long over.
    const known = this.#options.view.image.brokers.get(fromPeer)
    if (known?.alive && body.brokerEpoch !== null && body.brokerEpoch < known.epoch) return { kind: 'stale' }
    return this.#ask(controller, body.method, body.args)
  }
}

/** Calls that a broker makes for itself name it. */
function speaksForAnother({ method, args }: CallBody, peer: number): boolean {
  if (method === 'controlledShutdown') return args[0] !== peer
  if (method !== 'alterPartition' && method !== 'reportReplicas') return false
  return (args[0] as { brokerId?: unknown } | null)?.brokerId !== peer
}

function isNotController(result: unknown): boolean {
  const code = errors.NOT_CONTROLLER.code
  const says = (each: unknown): boolean => (each as { errorCode?: unknown } | null)?.errorCode === code
  return Array.isArray(result) ? result.length > 0 && result.every(says) : says(result)
}
