// The two kinds of failure a client reports: what a broker answered (KafkaError, with Kafka's code) and what happened
// on this side (ClientError, with a stable ERR_MILLRACE_* code). Both say whether trying again can help.

import { errorByCode, errorName } from '../model/errors.js'

/** Codes of failures on the client's side. */
export type ClientErrorCode =
  | 'ERR_MILLRACE_DISCONNECTED'
  | 'ERR_MILLRACE_CONNECT'
  | 'ERR_MILLRACE_TIMEOUT'
  | 'ERR_MILLRACE_BAD_FRAME'
  | 'ERR_MILLRACE_UNSUPPORTED'
  | 'ERR_MILLRACE_SETTING'
  | 'ERR_MILLRACE_ARGUMENT'
  | 'ERR_MILLRACE_STATE'
  | 'ERR_MILLRACE_CLOSED'
  | 'ERR_MILLRACE_BUFFER_FULL'
  | 'ERR_MILLRACE_RECORD_TOO_LARGE'

const RETRIABLE_CODES: ReadonlySet<string> = new Set(['ERR_MILLRACE_DISCONNECTED', 'ERR_MILLRACE_CONNECT', 'ERR_MILLRACE_TIMEOUT'])

/** Something went wrong on the client's side: connection, time, settings, use. */
export class ClientError extends Error {
  readonly code: ClientErrorCode
  /** The same call may succeed later. */
  readonly retriable: boolean

  constructor(code: ClientErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ClientError'
    this.code = code
    this.retriable = RETRIABLE_CODES.has(code)
  }
}

/** What to do about the errors people meet most, by code. */
const HINTS: ReadonlyMap<number, string> = new Map([
  [1, 'retention may have deleted it; seek to the beginning or end, or set autoOffsetReset'],
  [3, 'create the topic first, or check its name; the broker may have auto.create.topics.enable off'],
  [10, "lower batchSize or the record's size, or raise the topic's max.message.bytes"],
  [17, "a topic's name has 1 to 249 of the characters a-z A-Z 0-9 . _ -"],
  [19, 'bring replicas back, or lower min.insync.replicas'],
  [22, 'the group rebalanced while this member was away; poll more often, or raise maxPollIntervalMs'],
  [25, 'the group removed this member; poll more often, or raise maxPollIntervalMs or sessionTimeoutMs'],
  [26, 'set sessionTimeoutMs within the range the broker allows'],
  [29, 'give this principal the right on the topic'],
  [30, 'give this principal the right on the group'],
  [37, 'a topic has at least one partition, and the number can only grow'],
  [38, 'use a replication factor from 1 to the number of brokers'],
  [42, 'the broker found the request contradictory'],
  [47, 'another producer took over this producer id'],
  [68, 'stop its members first'],
  [79, 'join again with the member id that the coordinator gave'],
  [82, 'another member uses this groupInstanceId; give each member its own'],
  [87, 'a compacted topic needs a key in every record'],
])

/** A broker answered with an error. `name` and `code` are Kafka's. */
export class KafkaError extends Error {
  /** Kafka's number, e.g. 3. */
  readonly code: number
  /** The same request may succeed later. */
  readonly retriable: boolean

  /** `context` says what was asked; `detail` is the broker's own message where it sent one. */
  constructor(code: number, context: string, detail?: string | null, options?: ErrorOptions) {
    const info = errorByCode(code)
    const hint = HINTS.get(code)
    super(`${context}: ${detail || info.text} [${errorName(code)}]${hint ? `; ${hint}` : ''}`, options)
    this.name = errorName(code)
    this.code = code
    this.retriable = info.code === code && info.retriable
  }
}

export function isClientError(error: unknown): error is ClientError {
  return error instanceof ClientError
}

export function isRetriable(error: unknown): boolean {
  return (error instanceof KafkaError || error instanceof ClientError) && error.retriable
}

export function isCode(error: unknown, code: number): boolean {
  return error instanceof KafkaError && error.code === code
}

/** Throws a KafkaError unless `code` is 0. */
export function throwOn(code: number, context: string, detail?: string | null): void {
  if (code !== 0) throw new KafkaError(code, context, detail)
}
