// Decides what AlterReplicaLogDirs asks for (Kafka's ReplicaManager.alterReplicaLogDirs): which error, which worker moves. Runs on the
// thread coordinator, which knows the data directories; the copying is the owners' (replica/log-moves.ts).

import type { Env } from '../env/env.js'
import { futureDirName } from '../log/future.js'
import { errors } from '../model/errors.js'
import type { MoveRequest } from '../replica/log-moves.js'
import type { DataDirs } from './data-dirs.js'

const MAX_FILE_NAME = 255

export interface ReplicaMovesOptions {
  readonly env: Env
  readonly dirs: DataDirs
  /** The worker that has a partition; undefined: none. */
  ownerOf(topic: string, partition: number): number | undefined
  askOwner(worker: number, request: MoveRequest): Promise<number>
}

export class ReplicaMoves {
  private readonly options: ReplicaMovesOptions

  constructor(options: ReplicaMovesOptions) {
    this.options = options
  }

  alter(requests: readonly MoveRequest[]): Promise<number[]> {
    return Promise.all(requests.map((request) => this.begin(request)))
  }

  /** Moves that a stop cut short begin anew, with those of one worker or all. */
  async resume(worker?: number): Promise<void> {
    const { dirs, env } = this.options
    for (const request of this.settle(worker)) {
      dirs.dropFuture(request)
      const code = await this.begin(request)
      if (code !== errors.NONE.code)
        env.logger.warn({ ...request, errorCode: code }, 'an interrupted move of a replica was not begun again')
    }
  }

  /** Takes note of moves that had come to their end when `worker` (or, undefined, the node) ended; returns the others. Before its logs are opened. */
  settle(worker?: number): MoveRequest[] {
    return this.options.dirs.unfinishedMoves(({ topic, partition }) => {
      const owner = this.options.ownerOf(topic, partition)
      return owner !== undefined && (worker === undefined || owner === worker)
    })
  }

  private async begin(request: MoveRequest): Promise<number> {
    const { dirs, ownerOf, askOwner } = this.options
    const { topic, partition, target } = request
    if (futureDirName(topic, partition, new Uint8Array(16)).length > MAX_FILE_NAME) return errors.INVALID_TOPIC_EXCEPTION.code
    const status = dirs.status()
    const known = status.find(({ path }) => path === target)
    if (!known) return errors.LOG_DIR_NOT_FOUND.code
    if (known.failed) return errors.KAFKA_STORAGE_ERROR.code
    const owner = ownerOf(topic, partition)
    if (owner === undefined) {
      // Where it shall lie once it comes here.
      dirs.prefer(request, target)
      return errors.REPLICA_NOT_AVAILABLE.code
    }
    const moves = dirs.pathOf(request) !== target
    // A partition that may lie in a directory that is away must not get a second copy.
    if (moves && status.some(({ failed }) => failed)) return errors.KAFKA_STORAGE_ERROR.code
    if (moves) dirs.moveBegan(request)
    const code = await askOwner(owner, request).catch(() => errors.REPLICA_NOT_AVAILABLE.code)
    if (moves && code !== errors.NONE.code) dirs.moveEnded(request, false)
    return code
  }
}
