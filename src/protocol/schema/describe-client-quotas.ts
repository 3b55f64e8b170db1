// API 48, versions 0-1, flexible from 1.
// 1: only the encoding.

import { array, bool, float64, int16, int32, int8, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const describeClientQuotasRequest = message('DescribeClientQuotasRequest', '0-1', '1+', {
  components: array('0+', { entityType: string('0+'), matchType: int8('0+'), match: string('0+', { nullable: '0+' }) }),
  strict: bool('0+'),
})
export type DescribeClientQuotasRequest = MessageOf<typeof describeClientQuotasRequest>

export const describeClientQuotasResponse = message('DescribeClientQuotasResponse', '0-1', '1+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+' }),
  entries: array(
    '0+',
    {
      entity: array('0+', { entityType: string('0+'), entityName: string('0+', { nullable: '0+' }) }),
      values: array('0+', { key: string('0+'), value: float64('0+') }),
    },
    { nullable: '0+' },
  ),
})
export type DescribeClientQuotasResponse = MessageOf<typeof describeClientQuotasResponse>
