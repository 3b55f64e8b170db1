// What the admin's parts share: retries, the controller, the first error of many. Stateless.

import { errors } from '../../model/errors.js'
import type { Broker } from '../cluster/broker.js'
import type { Cluster } from '../cluster/cluster.js'
import { KafkaError } from '../errors.js'

export interface AdminCallOptions {
  /** Milliseconds for the call with its retries; default the client's `defaultApiTimeoutMs`. */
  readonly timeoutMs?: number
}

export interface ChangeOptions extends AdminCallOptions {
  /** Only checks whether it could be done. */
  readonly validateOnly?: boolean
}

export function timeoutOf(cluster: Cluster, options: AdminCallOptions): number {
  return options.timeoutMs ?? cluster.options.defaultApiTimeoutMs
}

/** Retries on the controller, wherever it has moved. */
export function onController<T>(
  cluster: Cluster,
  what: string,
  options: AdminCallOptions,
  attempt: (broker: Broker) => Promise<T>,
): Promise<T> {
  return cluster.retry(what, timeoutOf(cluster, options), async () => {
    try {
      return await attempt(await cluster.controller())
    } catch (error) {
      if (error instanceof KafkaError && error.code === errors.NOT_CONTROLLER.code) await cluster.refresh()
      throw error
    }
  })
}

export function onAny<T>(cluster: Cluster, what: string, options: AdminCallOptions, attempt: (broker: Broker) => Promise<T>): Promise<T> {
  return cluster.retry(what, timeoutOf(cluster, options), async () => attempt(await cluster.anyBroker()))
}

/** On the group's coordinator, wherever it has moved. */
export function onCoordinator<T>(
  cluster: Cluster,
  groupId: string,
  what: string,
  options: AdminCallOptions,
  attempt: (broker: Broker) => Promise<T>,
): Promise<T> {
  return cluster.retry(what, timeoutOf(cluster, options), async () => attempt(await cluster.findCoordinator('group', groupId)))
}

/** Throws the first error; the others are in its `cause`. */
export function throwFirst(found: readonly KafkaError[]): void {
  if (found.length === 0) return
  const [first, ...others] = found
  throw others.length === 0 ? first : Object.assign(first!, { cause: new AggregateError(others, `and ${others.length} more`) })
}

interface Item {
  readonly errorCode: number
  readonly errorMessage?: string | null
}

/** The errors among the answers. */
export function errorsOf<T extends Item>(items: readonly T[], context: (item: T) => string): KafkaError[] {
  return items.filter(({ errorCode }) => errorCode !== 0).map((item) => new KafkaError(item.errorCode, context(item), item.errorMessage))
}
