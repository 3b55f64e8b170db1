// What DescribeQuorum is answered: the ensemble as its leader sees it. Only the leader knows how far the others are, so it is asked over the link
// wherever it is; Kafka's brokers forward the request to the active controller. Runs on the thread coordinator.

import { decodeBody, encodeBody } from '../controller/remote.js'
import type { EnsembleServer, LogView } from '../ensemble/ensemble-server.js'
import type { Clock } from '../env/env.js'
import { errors } from '../model/errors.js'
import type { QuorumAnswer, QuorumReplica, QuorumState } from './handlers/services.js'

export interface NodeQuorumOptions {
  readonly clock: Clock
  /** Null: the ensemble is a ZooKeeper elsewhere. */
  server(): EnsembleServer | null
  /** Asks the `NodeQuorum` of another node. */
  call(nodeId: number, body: Uint8Array, timeoutMs: number): Promise<Uint8Array>
}

/** Well within what clients wait for an answer. */
const ASK_MS = 5_000
const NOTHING = new Uint8Array(0)

export class NodeQuorum {
  readonly #options: NodeQuorumOptions

  constructor(options: NodeQuorumOptions) {
    this.#options = options
  }

  async describe(): Promise<QuorumAnswer> {
    const server = this.#options.server()
    if (!server) return { errorCode: errors.UNSUPPORTED_VERSION.code, message: 'the metadata is in a ZooKeeper: its own tools describe it' }
    const own = this.#own()
    if (own) return own
    const { leaderId } = server
    if (leaderId === -1) return notLeader('the ensemble has no leader at the moment')
    try {
      const said = decodeBody(await this.#options.call(leaderId, NOTHING, ASK_MS)) as QuorumState | null
      return said ?? notLeader(`member ${leaderId} of the ensemble does not lead it any more`)
    } catch (error) {
      return notLeader(`member ${leaderId} leads the ensemble, and node ${leaderId} could not be asked: ${(error as Error).message}`)
    }
  }

  /** For a node that takes this one for the leader. */
  answer(): Promise<Uint8Array> {
    return Promise.resolve(encodeBody(this.#own()))
  }

  #own(): QuorumState | null {
    const view = this.#options.server()?.quorum()
    if (!view) return null
    const { leaderId, epoch, committed, logs } = view
    return { leaderId, leaderEpoch: epoch, highWatermark: committed, replicas: logs.map((log) => this.#replica(log)) }
  }

  #replica({ id, host, port, voter, lastZxid, heardAgoMs, caughtUpAgoMs }: LogView): QuorumReplica {
    const now = this.#options.clock.now()
    const time = (agoMs: number | null): number => (agoMs === null ? -1 : Math.round(now - agoMs))
    return {
      id,
      host,
      port,
      voter,
      logEndOffset: lastZxid,
      lastFetchTimestamp: time(heardAgoMs),
      lastCaughtUpTimestamp: time(caughtUpAgoMs),
    }
  }
}

function notLeader(message: string): QuorumAnswer {
  return { errorCode: errors.NOT_LEADER_OR_FOLLOWER.code, message }
}
