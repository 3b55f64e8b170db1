// API 35, versions 1-5, flexible from 2.
// 3: an error for the whole answer. 4: bytes of the volume, all and usable. 5: isCordoned.

import { array, arrayOf, bool, int16, int32, int64, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const describeLogDirsRequest = message('DescribeLogDirsRequest', '1-5', '2+', {
  topics: array('0+', { topic: string('0+'), partitions: arrayOf('0+', int32) }, { nullable: '0+' }),
})
export type DescribeLogDirsRequest = MessageOf<typeof describeLogDirsRequest>

export const describeLogDirsResponse = message('DescribeLogDirsResponse', '1-5', '2+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('3+'),
  results: array('0+', {
    errorCode: int16('0+'),
    logDir: string('0+'),
    topics: array('0+', {
      name: string('0+'),
      partitions: array('0+', {
        partitionIndex: int32('0+'),
        partitionSize: int64('0+'),
        offsetLag: int64('0+'),
        isFutureKey: bool('0+'),
      }),
    }),
    totalBytes: int64('4+', { default: -1 }),
    usableBytes: int64('4+', { default: -1 }),
    isCordoned: bool('5+'),
  }),
})
export type DescribeLogDirsResponse = MessageOf<typeof describeLogDirsResponse>
