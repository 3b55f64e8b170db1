// API 21, versions 0-2, flexible from 2.
// Moves the log start offset up; offset -1 means the high watermark.

import { array, int16, int32, int64, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const deleteRecordsRequest = message('DeleteRecordsRequest', '0-2', '2+', {
  topics: array('0+', { name: string('0+'), partitions: array('0+', { partitionIndex: int32('0+'), offset: int64('0+') }) }),
  timeoutMs: int32('0+'),
})
export type DeleteRecordsRequest = MessageOf<typeof deleteRecordsRequest>

export const deleteRecordsResponse = message('DeleteRecordsResponse', '0-2', '2+', {
  throttleTimeMs: int32('0+'),
  topics: array('0+', {
    name: string('0+'),
    partitions: array('0+', { partitionIndex: int32('0+'), lowWatermark: int64('0+'), errorCode: int16('0+') }),
  }),
})
export type DeleteRecordsResponse = MessageOf<typeof deleteRecordsResponse>
