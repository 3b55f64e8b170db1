// What every node has of the control plane, put together on the thread coordinator: one session with the ensemble, the
// view of the metadata, this node's registration, its candidacy, and the way to whichever node is controller. When a
// session expires a new one is made, the view compares every version, and registration and candidacy begin anew.

import type { Env } from '../env/env.js'
import { pauseFor } from '../env/pause.js'
import type { ZnodeClient } from '../ensemble/znode-client.js'
import { Candidate } from './candidate.js'
import type { ControllerApi } from './controller-api.js'
import type { Controller } from './controller.js'
import { firstLevels, unfitFor } from './features.js'
import { isActive } from './image.js'
import { MetadataView } from './metadata-view.js'
import { BrokerRegistration, type BrokerAnnouncement, type RegistrationHealth } from './registration.js'
import { ControllerRouter, type RemoteCall } from './remote.js'
import type { ControllerRules } from './rules.js'
import { ensureSkeleton } from './skeleton.js'

export interface ControllerNodeOptions {
  readonly env: Env
  readonly nodeId: number
  /** Names the data directory: the same over restarts of this node, another on every other node. */
  readonly identity: string
  /** A new session with the ensemble. Called again after one has expired. */
  connect(): ZnodeClient | Promise<ZnodeClient>
  /** Called once, when the image is there. */
  rules(view: MetadataView): ControllerRules
  /** Called once, when the image is there. */
  announcement(view: MetadataView): BrokerAnnouncement
  /** What has to be done after each registration before this broker is of use. Absent: it is at once. */
  readonly catchUp?: () => Promise<void>
  readonly call?: RemoteCall
  readonly deadlineMs?: number
  readonly strangerLimitMs?: number
  /** The image is there; nothing was written yet. */
  readonly onView?: (view: MetadataView) => void
}

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000

export class ControllerNode {
  readonly view: MetadataView
  readonly registration: BrokerRegistration
  readonly candidate: Candidate
  readonly router: ControllerRouter
  readonly #options: ControllerNodeOptions
  readonly #firstLevels: ReadonlyMap<string, number>
  #client: ZnodeClient
  #closed = false

  private constructor(options: ControllerNodeOptions, client: ZnodeClient, view: MetadataView) {
    const { env, nodeId, identity, catchUp, call, deadlineMs, strangerLimitMs } = options
    this.#options = options
    this.#client = client
    this.view = view
    const announcement = options.announcement(view)
    const unfit = unfitFor(announcement.features, view.image.features)
    if (unfit) throw new UnsupportedFeatureError(unfit)
    this.#firstLevels = firstLevels(announcement.features)
    this.registration = new BrokerRegistration({
      env,
      view,
      brokerId: nodeId,
      identity,
      announcement,
      ...(catchUp ? { catchUp } : {}),
      ...(strangerLimitMs === undefined ? {} : { strangerLimitMs }),
    })
    this.candidate = new Candidate({ env, view, brokerId: nodeId, identity, rules: options.rules(view) })
    this.router = new ControllerRouter({
      env,
      nodeId,
      view,
      local: () => this.candidate.controller,
      brokerEpoch: () => this.registration.epoch,
      ...(call ? { call } : {}),
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
    })
  }

  /** Resolves when the image is there; registration and election go on (`ready`). */
  static async start(options: ControllerNodeOptions): Promise<ControllerNode> {
    const client = await options.connect()
    const view = await MetadataView.open({ client, env: options.env })
    options.onView?.(view)
    try {
      const node = new ControllerNode(options, client, view)
      node.#begin(client)
      return node
    } catch (error) {
      view.close()
      await client.close()
      throw error
    }
  }

  get api(): ControllerApi {
    return this.router.api
  }

  /** The acting controller while this node is it. */
  get controller(): Controller | null {
    return this.candidate.controller
  }

  get health(): RegistrationHealth {
    return this.registration.health
  }

  /** The session in use. */
  get client(): ZnodeClient {
    return this.#client
  }

  /** Resolves when this broker is registered, taken up by a controller, and not fenced. Rejects when its id is another's. */
  ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        const failed = this.health.state === 'failed' || this.health.state === 'stopped'
        if (!failed && (!isActive(this.view.image, this.#options.nodeId) || !this.#isOwn())) return
        offView()
        offHealth()
        if (failed) reject(new Error(this.health.error ?? 'this broker is not registered'))
        else resolve()
      }
      const offView = this.view.onChange(check)
      const offHealth = this.registration.onHealth(check)
      check()
    })
  }

  #isOwn(): boolean {
    return this.view.image.brokers.get(this.#options.nodeId)?.epoch === this.registration.epoch
  }

  /** All of it is submitted in this turn: on an ensemble of one, one durable write covers it. */
  #begin(client: ZnodeClient): void {
    client.onState((state) => {
      if (state === 'expired' && client === this.#client && !this.#closed) void this.#renew()
    })
    void ensureSkeleton(client, this.view, this.#options.env, this.#firstLevels).catch((error: Error) => {
      if (client.state === 'connected') this.#options.env.logger.error({ error: error.message }, 'the metadata znodes could not be made')
    })
    this.registration.start(client)
    this.candidate.start(client)
  }

  async #renew(): Promise<void> {
    const { env, nodeId } = this.#options
    env.logger.warn({ nodeId }, 'the session with the ensemble has expired; a new one is made')
    for (let pause = FIRST_PAUSE_MS; !this.#closed; pause = Math.min(LONGEST_PAUSE_MS, pause * 2)) {
      try {
        const client = await this.#options.connect()
        this.#client = client
        if (this.#closed) {
          await client.close()
          return
        }
        await this.view.attach(client)
        this.#begin(client)
        return
      } catch (error) {
        env.logger.warn({ error: (error as Error).message }, 'no session with the ensemble yet; it is tried again')
        await pauseFor(pause, env.timers)
      }
    }
  }

  /** Resigns and ends the session: the registration and /controller are gone when this resolves. */
  async close(): Promise<void> {
    this.#closed = true
    const { controller } = this.candidate
    if (controller) await controller.close()
    this.candidate.stop()
    this.registration.stop()
    await this.#client.close()
    this.view.close()
  }
}

/** This build cannot work with what the cluster has finalized. */
export class UnsupportedFeatureError extends Error {
  readonly code = 'ERR_MILLRACE_FEATURE'
}
