// Kafka's error numbers that the log answers with. The whole table with names and retriability is model/errors.ts.

export const Code = {
  none: 0,
  unknownServerError: -1,
  offsetOutOfRange: 1,
  corruptMessage: 2,
  messageTooLarge: 10,
  recordListTooLarge: 18,
  invalidTimestamp: 32,
  unsupportedForMessageFormat: 43,
  outOfOrderSequenceNumber: 45,
  invalidProducerEpoch: 47,
  invalidTxnState: 48,
  transactionCoordinatorFenced: 52,
  kafkaStorageError: 56,
  unsupportedCompressionType: 76,
  invalidRecord: 87,
} as const

/** An operational failure of one log. `code` is the errno name or ERR_MILLRACE_*; the owner maps it to KAFKA_STORAGE_ERROR. */
export class LogError extends Error {
  override readonly name = 'LogError'
  readonly code: string
  constructor(code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}

/** The stable code of anything thrown by node:fs or the addon. */
export function errorCodeOf(error: unknown): string {
  if (error !== null && typeof error === 'object' && 'code' in error && typeof error.code === 'string') return error.code
  return 'ERR_MILLRACE_INTERNAL'
}

export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** No space, no quota: nothing is lost but the write itself, and the log takes writes again when space returns. */
export function isFullDisk(code: string): boolean {
  return code === 'ENOSPC' || code === 'EDQUOT'
}
