// What precedes every request and response. The request header is version 2 for flexible requests and 1 otherwise; the response header 1
// and 0, except that ApiVersions is always answered under version 0, because the client cannot know yet what the server speaks. The
// client id keeps its two-byte length in every version, so that a server reads it in a request it does not know.

import { int16, int32, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const requestHeader = message('RequestHeader', '1-2', '2+', {
  requestApiKey: int16('0+'),
  requestApiVersion: int16('0+'),
  correlationId: int32('0+'),
  clientId: string('1+', { nullable: '1+', compact: false }),
})
export type RequestHeader = MessageOf<typeof requestHeader>

export const responseHeader = message('ResponseHeader', '0-1', '1+', {
  correlationId: int32('0+'),
})
export type ResponseHeader = MessageOf<typeof responseHeader>
