// A set of callbacks. One that throws is a bug of its owner and must not keep the others, or the member, from going on: it is logged.

import type { Logger } from '../env/env.js'

export class Listeners<T> {
  readonly #all = new Set<(value: T) => void>()

  add(listener: (value: T) => void): () => void {
    this.#all.add(listener)
    return () => void this.#all.delete(listener)
  }

  tell(value: T, logger: Logger): void {
    for (const listener of this.#all) {
      try {
        listener(value)
      } catch (error) {
        logger.error({ error: (error as Error).stack }, 'a listener of the ensemble threw')
      }
    }
  }
}
