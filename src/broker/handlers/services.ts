// The doors a handler may open. Each has one implementation; which thread does the work is hidden here.

import type { ControllerApi } from '../../controller/controller-api.js'
import type { ReadPlan } from '../../log/types.js'
import type { MoveRequest } from '../../replica/log-moves.js'
import type { ConfigStore } from '../config/config-store.js'
import type { PartitionService } from '../partition-service.js'
import type { FetchSessions } from './fetch-session.js'

export interface LogDirStatus {
  readonly path: string
  readonly failed: boolean
}

/** A member of the ensemble as DescribeQuorum shows it. Its peers' address; port 0: none. Of one that is not there offset and times are -1. */
export interface QuorumReplica {
  readonly id: number
  readonly host: string
  readonly port: number
  readonly voter: boolean
  readonly logEndOffset: bigint
  readonly lastFetchTimestamp: number
  readonly lastCaughtUpTimestamp: number
}

export interface QuorumState {
  readonly leaderId: number
  readonly leaderEpoch: number
  readonly highWatermark: bigint
  readonly replicas: readonly QuorumReplica[]
}

/** Or why nobody could say. */
export type QuorumAnswer = QuorumState | { readonly errorCode: number; readonly message: string }

export interface BrokerServices {
  /** The APIs this node serves. */
  readonly handledKeys: readonly number[]
  /** Topics, partitions, configs, ids: runs on the thread coordinator, which hosts the controller. Each call resolves after this thread's image has the change. */
  readonly controller: ControllerApi
  /** The ensemble as its leader sees it, wherever that is. */
  quorum(): Promise<QuorumAnswer>
  /** Effective settings (override → dynamic default → static → built-in default) with their source. */
  readonly configs: ConfigStore
  /** Produce, fetch plans and questions to partitions, wherever their owner is. */
  readonly partitions: PartitionService
  readonly fetchSessions: FetchSessions
  /** The bytes of a plan, as something that the response writer reads when the socket takes them. Stands in a `records` field. */
  openRecords(topic: string, partition: number, plan: ReadPlan): Uint8Array
  /** The node's data directories. */
  logDirs(): readonly LogDirStatus[]
  /** Begins moves of replicas between this node's data directories; an error code for each. */
  moveReplicas(moves: readonly MoveRequest[]): Promise<readonly number[]>
  /** Calls `method` of the group coordinator that owns `partition` of __consumer_offsets, on whichever worker that is. */
  callGroupCoordinator(partition: number, method: string, argument: object): Promise<object>
  /** The __consumer_offsets partition of a group id (Java hashCode mod partition count), creating the topic when missing; -1 while it cannot be. */
  groupPartitionFor(groupId: string): Promise<number>
}
