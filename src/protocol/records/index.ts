// The public names of record batches.

export * as batchHeader from './batch-header.js'
export { compressionCodes, compressionNames } from './batch-header.js'
export type { CompressionName } from './batch-header.js'
export { BatchBuilder } from './batch-builder.js'
export type { BuildOptions, Bytes, HeaderToWrite } from './batch-builder.js'
export { BatchCursor, readRecords, recordAt, RecordCursor } from './batch-reader.js'
export type { OpenOptions, PlainRecord, RecordHeader } from './batch-reader.js'
export { packRecords, type PackRecords } from './pack.js'
export { compress, compressionName, decompress } from './compression.js'
export { crc32c } from './crc32c.js'
