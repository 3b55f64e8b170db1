// What the parts of an acting controller share: one queue (a decision always sees what the one before it wrote), the
// image, the fenced writer, and how a failed write becomes an outcome. After each write the view is awaited, so the
// image decided on is the one every node has: the controller keeps no second copy of the state.

import type { Env } from '../env/env.js'
import { ZkCode } from '../ensemble/tree/codes.js'
import { isZnodeError, type ZnodeClient } from '../ensemble/znode-client.js'
import { errors } from '../model/errors.js'
import { NotControllerError, type Outcome } from './controller-api.js'
import type { MetadataImage } from './image.js'
import type { MetadataView } from './metadata-view.js'
import { FencedError, MetadataWriter } from './metadata-writer.js'
import type { ControllerRules } from './rules.js'

export const OK: Outcome = { errorCode: errors.NONE.code, errorMessage: null }
const NOT_CONTROLLER: Outcome = { errorCode: errors.NOT_CONTROLLER.code, errorMessage: null }

export interface ControllerOptions {
  readonly client: ZnodeClient
  readonly env: Env
  readonly view: MetadataView
  readonly brokerId: number
  readonly rules: ControllerRules
  /** Version of /controller_epoch under which this node was elected. */
  readonly epochVersion: number
  /** Told once, when a write shows that somebody else is controller or the session has ended. */
  readonly onLost: () => void
}

export class ControllerCore {
  readonly client: ZnodeClient
  readonly env: Env
  readonly view: MetadataView
  readonly brokerId: number
  readonly rules: ControllerRules
  readonly writer: MetadataWriter
  readonly #onLost: () => void
  /** The queue: settles after the newest task, never rejects. */
  #tail: Promise<unknown> = Promise.resolve()
  #resigned = false
  #ended: Promise<never>
  #end: (error: Error) => void = () => undefined

  constructor(options: ControllerOptions) {
    this.client = options.client
    this.env = options.env
    this.view = options.view
    this.brokerId = options.brokerId
    this.rules = options.rules
    this.#onLost = options.onLost
    this.writer = new MetadataWriter({
      client: options.client,
      env: options.env,
      epochVersion: options.epochVersion,
      versionOf: (path) => options.view.node(path)?.version,
    })
    this.#ended = new Promise((_, reject) => (this.#end = reject))
    this.#ended.catch(() => undefined)
  }

  get image(): MetadataImage {
    return this.view.image
  }

  get resigned(): boolean {
    return this.#resigned
  }

  /** Runs `task` after those before it. Rejects with NotControllerError when this controller is one no more. */
  enqueue<T>(task: () => Promise<T>): Promise<T> {
    const run = this.#tail.then(() => {
      if (this.#resigned) throw new NotControllerError()
      return Promise.race([task(), this.#ended])
    })
    this.#tail = run.catch(() => undefined)
    return run
  }

  /** Makes a planned change durable and waits until the image has it. A failed write is the change's outcome. */
  async commit(write: () => Promise<bigint>): Promise<Outcome> {
    try {
      await this.view.reached(await write())
      return OK
    } catch (error) {
      return this.#failed(error)
    }
  }

  #failed(error: unknown): Outcome {
    const lost = error instanceof FencedError || isZnodeError(error, ZkCode.sessionExpired) || isZnodeError(error, ZkCode.connectionLoss)
    const message = error instanceof Error ? error.message : String(error)
    if (!lost) {
      this.env.logger.error({ error: message }, 'a metadata change could not be written')
      return { errorCode: errors.UNKNOWN_SERVER_ERROR.code, errorMessage: message }
    }
    this.env.logger.info({ error: message }, 'a metadata change may not have been written: this node is the controller no more')
    this.resign()
    return NOT_CONTROLLER
  }

  /** Answers nothing more. What is being written is fenced by the epoch, or done before the next controller reads. */
  resign(): void {
    if (this.#resigned) return
    this.#resigned = true
    this.#onLost()
    this.#end(new NotControllerError())
  }

  /** Resolves when everything asked for so far is done. */
  idle(): Promise<unknown> {
    return this.#tail
  }
}
