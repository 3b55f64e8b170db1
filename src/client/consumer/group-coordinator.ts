// Which broker coordinates a group: asked for when it is not known, forgotten when it turns out to be another or to be gone.

import { errors } from '../../model/errors.js'
import type { Broker } from '../cluster/broker.js'
import type { Cluster } from '../cluster/cluster.js'
import { isClientError, isRetriable, KafkaError } from '../errors.js'

const GONE: ReadonlySet<number> = new Set([errors.COORDINATOR_NOT_AVAILABLE.code, errors.NOT_COORDINATOR.code])

/** The answer says that the group has another coordinator. */
export function meansAnotherCoordinator(code: number): boolean {
  return GONE.has(code)
}

export class GroupCoordinator {
  readonly groupId: string
  readonly #cluster: Cluster
  #broker: Broker | undefined
  #looking = false

  constructor(cluster: Cluster, groupId: string) {
    this.#cluster = cluster
    this.groupId = groupId
  }

  /** As far as it is known. */
  get broker(): Broker | undefined {
    return this.#broker
  }

  /** It is being asked for. */
  get isLooking(): boolean {
    return this.#looking
  }

  /** One attempt. */
  async find(): Promise<Broker> {
    if (this.#broker) return this.#broker
    this.#looking = true
    try {
      this.#broker = await this.#cluster.findCoordinator('group', this.groupId)
    } finally {
      this.#looking = false
    }
    return this.#broker
  }

  forget(): void {
    this.#broker = undefined
  }

  /** Runs with the coordinator; forgets it when it turns out to be another or to be gone. */
  async with<T>(run: (broker: Broker) => Promise<T>): Promise<T> {
    try {
      return await run(await this.find())
    } catch (error) {
      const moved = error instanceof KafkaError && meansAnotherCoordinator(error.code)
      if (moved || (isClientError(error) && isRetriable(error))) this.forget()
      throw error
    }
  }
}
