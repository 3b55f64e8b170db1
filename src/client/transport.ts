// The seam between the client and a cluster: TCP to any Kafka-compatible broker, or in-process to an embedded one.

import type { DirectBatch } from '../model/direct-batch.js'
import type { PackRecords } from '../protocol/records/index.js'

export interface BrokerAddress {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

/** What Produce answers for a partition. */
export interface DirectResult {
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly recordErrors: readonly { readonly batchIndex: number; readonly message: string }[] | null
  readonly baseOffset: number
  readonly logAppendTime: number
}

/** A way for batches without a request, where the engine is in this process: the same checks, answers and promises. */
export interface DirectDoor {
  /** Calls `done` once, before it returns or later; undefined: the connection ended first. */
  produce(batch: DirectBatch, done: (result: DirectResult | undefined) => void): void
  /**
   * No more may be produced before an answer: the log writes what it only staged, or is sent what still lies here. Answers that are there are
   * given before this returns. Waits for nothing.
   */
  push(): void
}

/** One ordered conversation with one broker. Requests may be pipelined; responses come in order. */
export interface Connection {
  /**
   * Sends one request given as the pieces of its frame WITHOUT the 4-byte length (header and body encoded by
   * the caller) and resolves with the response frame without the length. `expectResponse` false (acks 0)
   * resolves with an empty array once the bytes are handed over. Rejects with code ERR_MILLRACE_DISCONNECTED
   * when the connection ends first. The pieces must not be touched until it resolves.
   */
  request(pieces: readonly Uint8Array[], correlationId: number, expectResponse: boolean): Promise<Uint8Array>
  readonly direct?: DirectDoor
  readonly isOpen: boolean
  /** Bytes handed over but not yet taken by the kernel. */
  readonly bufferedBytes: number
  close(): void
}

export interface Transport {
  /** Where to start; nodeId -1 for bootstrap addresses. */
  readonly bootstrap: readonly BrokerAddress[]
  /** A quicker `packRecords` than JavaScript's. */
  readonly packRecords?: PackRecords
  connect(address: BrokerAddress, timeoutMs: number): Promise<Connection>
  close(): void
}
