// API 18, versions 0-5, flexible from 3.
// What the server speaks: the first request of every client. A version that is too new is answered in version 0 with UNSUPPORTED_VERSION
// and the range of this API. 1: throttle time. 3: name and version of the client; features. 4: a feature may start at 0. 5: the client
// says which cluster and node it means to talk to, and may be told REBOOTSTRAP_REQUIRED.

import { array, bool, int16, int32, int64, message, string } from './dsl.js'
import type { MessageOf } from './dsl.js'

/**
 * The supported feature by which a server says that it reads ProduceRequest's `millraceAck`. Clients know features by name and version
 * range and pass over the ones they never heard of: Java and franz-go keep them in a map, librdkafka does not read the section.
 * The range starts at 1 because Java clients before 4.0 refuse a whole answer in which a feature starts at 0 (KAFKA-17011).
 */
export const MILLRACE_ACK_FEATURE = { name: 'millrace.ack', minVersion: 1, maxVersion: 1 } as const

export const apiVersionsRequest = message('ApiVersionsRequest', '0-5', '3+', {
  clientSoftwareName: string('3+'),
  clientSoftwareVersion: string('3+'),
  clusterId: string('5+', { nullable: '5+', default: null }),
  nodeId: int32('5+', { default: -1 }),
})
export type ApiVersionsRequest = MessageOf<typeof apiVersionsRequest>

export const apiVersionsResponse = message('ApiVersionsResponse', '0-5', '3+', {
  errorCode: int16('0+'),
  apiKeys: array('0+', { apiKey: int16('0+'), minVersion: int16('0+'), maxVersion: int16('0+') }),
  throttleTimeMs: int32('1+'),
  supportedFeatures: array('3+', { name: string('3+'), minVersion: int16('3+'), maxVersion: int16('3+') }, { tag: 0 }),
  finalizedFeaturesEpoch: int64('3+', { default: -1, tag: 1 }),
  finalizedFeatures: array('3+', { name: string('3+'), maxVersionLevel: int16('3+'), minVersionLevel: int16('3+') }, { tag: 2 }),
  zkMigrationReady: bool('3+', { tag: 3 }),
})
export type ApiVersionsResponse = MessageOf<typeof apiVersionsResponse>
