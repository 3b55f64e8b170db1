// What the thread coordinator and its workers say to each other. Plain data that crosses threads.

import type { MessagePort } from 'node:worker_threads'
import type { MetadataDelta, MetadataImage } from '../controller/image.js'
import type { TopicPartition } from '../model/topic-partition.js'
import type { MoveRequest } from '../replica/log-moves.js'
import type { LogCheckpoint, OpenPartition } from '../replica/replica-manager.js'
import type { LogDirStatus } from './handlers/services.js'

/** Everything a worker starts from. */
export interface WorkerInit {
  readonly worker: number
  readonly nodeId: number
  readonly properties: ReadonlyMap<string, string>
  readonly logLevel: string
  readonly image: MetadataImage
  readonly placement: ReadonlyMap<string, Int16Array>
  readonly logDirs: readonly LogDirStatus[]
  /** This node has others: it copies from them and serves them. */
  readonly replicates: boolean
  /** Until when it may lead; null: nobody can take that away. */
  readonly lease: SharedArrayBuffer | null
  /** What the node's throttled replicas have used of their rates. */
  readonly throttles: SharedArrayBuffer
  /** Client connections of each worker. */
  readonly connectionCounts: SharedArrayBuffer
}

/** Coordinator → worker `update`: a change of metadata with what follows from it for this worker. */
export interface WorkerUpdate {
  readonly delta: MetadataDelta
  /** Topics whose placement is new; null: gone. */
  readonly placement: readonly (readonly [topic: string, owners: Int16Array | null])[]
  /** Partitions this worker shall open (or hear the new leadership of). */
  readonly open: readonly OpenPartition[]
  /** Partitions that were reassigned away from this node. */
  readonly drop: readonly TopicPartition[]
}

export interface ListenCommand {
  readonly name: string
  readonly host: string
  readonly port: number
  /** Connections the system may hold before this worker accepts them. */
  readonly backlog: number
  /** SO_SNDBUF and SO_RCVBUF; 0: the system tunes them itself. */
  readonly sendBufferBytes: number
  readonly receiveBufferBytes: number
}

/** Coordinator → worker `peer` and `connect`: a port to another worker, or of an in-process connection. */
export interface PortMessage {
  readonly id: number
  readonly port: MessagePort
}

/** Worker → coordinator `controller`. */
export interface ControllerCall {
  readonly method: string
  readonly args: readonly unknown[]
}

/** Worker → coordinator `move-prepared`: a move is about to end; the checkpoints come first. */
export interface MovePrepared {
  readonly request: MoveRequest
  readonly checkpoint: LogCheckpoint
}

/** Worker → coordinator `move-ended`. */
export interface MoveEnded {
  readonly request: MoveRequest
  readonly moved: boolean
}

export interface LogFailure {
  readonly topic: string
  readonly partition: number
  readonly dir: string
  readonly message: string
}
