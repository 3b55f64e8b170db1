// The shapes of the messages that the wire tests send, each in the versions they use.

import { decode, encode, type Fields, type Value } from './shape.js'
import { RawConnection, type Outcome } from './connection.js'

interface Api {
  readonly key: number
  readonly flexibleFrom: number
  /** First version of the range → [request, answer]. */
  readonly shapes: Readonly<Record<number, readonly [string, string]>>
}

const PRODUCE_PARTITION_8 =
  'index:i32 error:i16 baseOffset:i64 logAppendTime:i64 logStart:i64 recordErrors:[ index:i32 message:s ] message:s'
const PRODUCE_REQUEST = 'transactionalId:s acks:i16 timeoutMs:i32 topics:[ name:s partitions:[ index:i32 records:bytes ] ]'
const FETCH_REQUEST_7 =
  'replica:i32 maxWaitMs:i32 minBytes:i32 maxBytes:i32 isolation:i8 session:i32 epoch:i32 topics:[ name:s partitions:[ index:i32 leaderEpoch:i32 offset:i64 logStart:i64 maxBytes:i32 ] ] forgotten:[ name:s partitions:[i32] ] rack:s'
const FETCH_ANSWER_11 =
  'throttle:i32 error:i16 session:i32 topics:[ name:s partitions:[ index:i32 error:i16 highWatermark:i64 lastStable:i64 logStart:i64 aborted:[ producerId:i64 first:i64 ] preferred:i32 records:bytes ] ]'
const FETCH_REQUEST_13 =
  'replica:i32 maxWaitMs:i32 minBytes:i32 maxBytes:i32 isolation:i8 session:i32 epoch:i32 topics:[ id:uuid partitions:[ index:i32 leaderEpoch:i32 offset:i64 lastEpoch:i32 logStart:i64 maxBytes:i32 ] ] forgotten:[ id:uuid partitions:[i32] ] rack:s'

export const APIS = {
  Produce: {
    key: 0,
    flexibleFrom: 9,
    shapes: {
      0: [PRODUCE_REQUEST.slice('transactionalId:s '.length), 'topics:[ name:s partitions:[ index:i32 error:i16 baseOffset:i64 ] ]'],
      3: [PRODUCE_REQUEST, 'topics:[ name:s partitions:[ index:i32 error:i16 baseOffset:i64 logAppendTime:i64 ] ] throttle:i32'],
      5: [
        PRODUCE_REQUEST,
        'topics:[ name:s partitions:[ index:i32 error:i16 baseOffset:i64 logAppendTime:i64 logStart:i64 ] ] throttle:i32',
      ],
      8: [PRODUCE_REQUEST, `topics:[ name:s partitions:[ ${PRODUCE_PARTITION_8} ] ] throttle:i32`],
      13: [PRODUCE_REQUEST.replace('name:s', 'id:uuid'), `topics:[ id:uuid partitions:[ ${PRODUCE_PARTITION_8} ] ] throttle:i32`],
    },
  },
  Fetch: {
    key: 1,
    flexibleFrom: 12,
    shapes: { 11: [FETCH_REQUEST_7, FETCH_ANSWER_11], 13: [FETCH_REQUEST_13, FETCH_ANSWER_11.replace('name:s', 'id:uuid')] },
  },
  ListOffsets: {
    key: 2,
    flexibleFrom: 6,
    shapes: {
      1: [
        'replica:i32 topics:[ name:s partitions:[ index:i32 timestamp:i64 ] ]',
        'topics:[ name:s partitions:[ index:i32 error:i16 timestamp:i64 offset:i64 ] ]',
      ],
      4: [
        'replica:i32 isolation:i8 topics:[ name:s partitions:[ index:i32 leaderEpoch:i32 timestamp:i64 ] ]',
        'throttle:i32 topics:[ name:s partitions:[ index:i32 error:i16 timestamp:i64 offset:i64 leaderEpoch:i32 ] ]',
      ],
      10: [
        'replica:i32 isolation:i8 topics:[ name:s partitions:[ index:i32 leaderEpoch:i32 timestamp:i64 ] ] timeoutMs:i32',
        'throttle:i32 topics:[ name:s partitions:[ index:i32 error:i16 timestamp:i64 offset:i64 leaderEpoch:i32 ] ]',
      ],
    },
  },
  Metadata: {
    key: 3,
    flexibleFrom: 9,
    shapes: {
      4: [
        'topics:[ name:s ] autoCreate:bool',
        'throttle:i32 brokers:[ id:i32 host:s port:i32 rack:s ] cluster:s controller:i32 topics:[ error:i16 name:s internal:bool partitions:[ error:i16 index:i32 leader:i32 replicas:[i32] isr:[i32] ] ]',
      ],
      12: [
        'topics:[ id:uuid name:s ] autoCreate:bool topicOperations:bool',
        'throttle:i32 brokers:[ id:i32 host:s port:i32 rack:s ] cluster:s controller:i32 topics:[ error:i16 name:s id:uuid internal:bool partitions:[ error:i16 index:i32 leader:i32 epoch:i32 replicas:[i32] isr:[i32] offline:[i32] ] operations:i32 ]',
      ],
    },
  },
  OffsetCommit: {
    key: 8,
    flexibleFrom: 8,
    shapes: {
      7: [
        'group:s generation:i32 member:s instance:s topics:[ name:s partitions:[ index:i32 offset:i64 leaderEpoch:i32 metadata:s ] ]',
        'throttle:i32 topics:[ name:s partitions:[ index:i32 error:i16 ] ]',
      ],
    },
  },
  OffsetFetch: {
    key: 9,
    flexibleFrom: 6,
    shapes: {
      5: [
        'group:s topics:[ name:s partitions:[i32] ]',
        'throttle:i32 topics:[ name:s partitions:[ index:i32 offset:i64 leaderEpoch:i32 metadata:s error:i16 ] ] error:i16',
      ],
      8: [
        'groups:[ group:s topics:[ name:s partitions:[i32] ] ] stable:bool',
        'throttle:i32 groups:[ group:s topics:[ name:s partitions:[ index:i32 offset:i64 leaderEpoch:i32 metadata:s error:i16 ] ] error:i16 ]',
      ],
    },
  },
  FindCoordinator: {
    key: 10,
    flexibleFrom: 3,
    shapes: {
      1: ['key:s type:i8', 'throttle:i32 error:i16 message:s node:i32 host:s port:i32'],
      4: ['type:i8 keys:[s]', 'throttle:i32 coordinators:[ key:s node:i32 host:s port:i32 error:i16 message:s ]'],
    },
  },
  JoinGroup: {
    key: 11,
    flexibleFrom: 6,
    shapes: {
      1: [
        'group:s sessionTimeoutMs:i32 rebalanceTimeoutMs:i32 member:s protocolType:s protocols:[ name:s metadata:bytes ]',
        'error:i16 generation:i32 protocol:s leader:s member:s members:[ member:s metadata:bytes ]',
      ],
      5: [
        'group:s sessionTimeoutMs:i32 rebalanceTimeoutMs:i32 member:s instance:s protocolType:s protocols:[ name:s metadata:bytes ]',
        'throttle:i32 error:i16 generation:i32 protocol:s leader:s member:s members:[ member:s instance:s metadata:bytes ]',
      ],
    },
  },
  Heartbeat: { key: 12, flexibleFrom: 4, shapes: { 3: ['group:s generation:i32 member:s instance:s', 'throttle:i32 error:i16'] } },
  LeaveGroup: {
    key: 13,
    flexibleFrom: 4,
    shapes: {
      3: ['group:s members:[ member:s instance:s ]', 'throttle:i32 error:i16 members:[ member:s instance:s error:i16 ]'],
    },
  },
  SyncGroup: {
    key: 14,
    flexibleFrom: 4,
    shapes: {
      3: [
        'group:s generation:i32 member:s instance:s assignments:[ member:s assignment:bytes ]',
        'throttle:i32 error:i16 assignment:bytes',
      ],
      5: [
        'group:s generation:i32 member:s instance:s protocolType:s protocol:s assignments:[ member:s assignment:bytes ]',
        'throttle:i32 error:i16 protocolType:s protocol:s assignment:bytes',
      ],
    },
  },
  DescribeGroups: {
    key: 15,
    flexibleFrom: 5,
    shapes: {
      4: [
        'groups:[s] operations:bool',
        'throttle:i32 groups:[ error:i16 group:s state:s protocolType:s protocol:s members:[ member:s instance:s client:s host:s metadata:bytes assignment:bytes ] operations:i32 ]',
      ],
      6: [
        'groups:[s] operations:bool',
        'throttle:i32 groups:[ error:i16 message:s group:s state:s protocolType:s protocol:s members:[ member:s instance:s client:s host:s metadata:bytes assignment:bytes ] operations:i32 ]',
      ],
    },
  },
  ListGroups: {
    key: 16,
    flexibleFrom: 3,
    shapes: { 5: ['states:[s] types:[s]', 'throttle:i32 error:i16 groups:[ group:s protocolType:s state:s type:s ]'] },
  },
  ApiVersions: {
    key: 18,
    flexibleFrom: 3,
    shapes: {
      0: ['', 'error:i16 apis:[ key:i16 min:i16 max:i16 ]'],
      1: ['', 'error:i16 apis:[ key:i16 min:i16 max:i16 ] throttle:i32'],
      3: ['software:s softwareVersion:s', 'error:i16 apis:[ key:i16 min:i16 max:i16 ] throttle:i32'],
    },
  },
  CreateTopics: {
    key: 19,
    flexibleFrom: 5,
    shapes: {
      7: [
        'topics:[ name:s partitions:i32 replication:i16 assignments:[ index:i32 brokers:[i32] ] configs:[ name:s value:s ] ] timeoutMs:i32 validateOnly:bool',
        'throttle:i32 topics:[ name:s id:uuid error:i16 message:s partitions:i32 replication:i16 configs:[ name:s value:s readOnly:bool source:i8 sensitive:bool ] ]',
      ],
    },
  },
  DeleteTopics: {
    key: 20,
    flexibleFrom: 4,
    shapes: {
      3: ['names:[s] timeoutMs:i32', 'throttle:i32 topics:[ name:s error:i16 ]'],
      6: ['topics:[ name:s id:uuid ] timeoutMs:i32', 'throttle:i32 topics:[ name:s id:uuid error:i16 message:s ]'],
    },
  },
  DeleteRecords: {
    key: 21,
    flexibleFrom: 2,
    shapes: {
      1: [
        'topics:[ name:s partitions:[ index:i32 offset:i64 ] ] timeoutMs:i32',
        'throttle:i32 topics:[ name:s partitions:[ index:i32 lowWatermark:i64 error:i16 ] ]',
      ],
    },
  },
  InitProducerId: {
    key: 22,
    flexibleFrom: 2,
    shapes: {
      1: ['transactionalId:s timeoutMs:i32', 'throttle:i32 error:i16 producerId:i64 epoch:i16'],
      4: ['transactionalId:s timeoutMs:i32 producerId:i64 epoch:i16', 'throttle:i32 error:i16 producerId:i64 epoch:i16'],
    },
  },
  OffsetForLeaderEpoch: {
    key: 23,
    flexibleFrom: 4,
    shapes: {
      3: [
        'replica:i32 topics:[ name:s partitions:[ index:i32 currentEpoch:i32 epoch:i32 ] ]',
        'throttle:i32 topics:[ name:s partitions:[ error:i16 index:i32 epoch:i32 endOffset:i64 ] ]',
      ],
    },
  },
  DescribeConfigs: {
    key: 32,
    flexibleFrom: 4,
    shapes: {
      3: [
        'resources:[ type:i8 name:s keys:[s] ] synonyms:bool documentation:bool',
        'throttle:i32 results:[ error:i16 message:s type:i8 name:s configs:[ name:s value:s readOnly:bool source:i8 sensitive:bool synonyms:[ name:s value:s source:i8 ] configType:i8 documentation:s ] ]',
      ],
    },
  },
  AlterConfigs: {
    key: 33,
    flexibleFrom: 2,
    shapes: {
      1: [
        'resources:[ type:i8 name:s configs:[ name:s value:s ] ] validateOnly:bool',
        'throttle:i32 results:[ error:i16 message:s type:i8 name:s ]',
      ],
    },
  },
  AlterReplicaLogDirs: {
    key: 34,
    flexibleFrom: 2,
    shapes: {
      1: ['dirs:[ path:s topics:[ name:s partitions:[i32] ] ]', 'throttle:i32 topics:[ name:s partitions:[ index:i32 error:i16 ] ]'],
    },
  },
  DescribeLogDirs: {
    key: 35,
    flexibleFrom: 2,
    shapes: {
      4: [
        'topics:[ name:s partitions:[i32] ]',
        'throttle:i32 error:i16 results:[ error:i16 dir:s topics:[ name:s partitions:[ index:i32 size:i64 lag:i64 future:bool ] ] total:i64 usable:i64 ]',
      ],
    },
  },
  CreatePartitions: {
    key: 37,
    flexibleFrom: 2,
    shapes: {
      1: [
        'topics:[ name:s count:i32 assignments:[ brokers:[i32] ] ] timeoutMs:i32 validateOnly:bool',
        'throttle:i32 topics:[ name:s error:i16 message:s ]',
      ],
    },
  },
  DeleteGroups: { key: 42, flexibleFrom: 2, shapes: { 1: ['groups:[s]', 'throttle:i32 results:[ group:s error:i16 ]'] } },
  IncrementalAlterConfigs: {
    key: 44,
    flexibleFrom: 1,
    shapes: {
      0: [
        'resources:[ type:i8 name:s configs:[ name:s operation:i8 value:s ] ] validateOnly:bool',
        'throttle:i32 results:[ error:i16 message:s type:i8 name:s ]',
      ],
    },
  },
  OffsetDelete: {
    key: 47,
    flexibleFrom: 99,
    shapes: {
      0: [
        'group:s topics:[ name:s partitions:[ index:i32 ] ]',
        'error:i16 throttle:i32 topics:[ name:s partitions:[ index:i32 error:i16 ] ]',
      ],
    },
  },
  DescribeCluster: {
    key: 60,
    flexibleFrom: 0,
    shapes: {
      1: [
        'operations:bool endpointType:i8',
        'throttle:i32 error:i16 message:s endpointType:i8 cluster:s controller:i32 brokers:[ id:i32 host:s port:i32 rack:s ] operations:i32',
      ],
    },
  },
  UpdateFeatures: {
    key: 57,
    flexibleFrom: 0,
    shapes: {
      0: [
        'timeoutMs:i32 updates:[ feature:s level:i16 allowDowngrade:bool ]',
        'throttle:i32 error:i16 message:s results:[ feature:s error:i16 message:s ]',
      ],
      1: [
        'timeoutMs:i32 updates:[ feature:s level:i16 upgradeType:i8 ] validateOnly:bool',
        'throttle:i32 error:i16 message:s results:[ feature:s error:i16 message:s ]',
      ],
      2: ['timeoutMs:i32 updates:[ feature:s level:i16 upgradeType:i8 ] validateOnly:bool', 'throttle:i32 error:i16 message:s'],
    },
  },
  ListConfigResources: {
    key: 74,
    flexibleFrom: 0,
    shapes: { 1: ['types:[i8]', 'throttle:i32 error:i16 resources:[ name:s type:i8 ]'] },
  },
} as const satisfies Readonly<Record<string, Api>>

export type ApiName = keyof typeof APIS

function shapesOf(api: Api, version: number): readonly [string, string] {
  const first = Math.max(
    ...Object.keys(api.shapes)
      .map(Number)
      .filter((from) => from <= version),
  )
  const shapes = api.shapes[first]
  if (!shapes) throw new Error(`no shape for api ${api.key} version ${version}`)
  return shapes
}

export type CallResult = { readonly [name: string]: Value } | 'closed' | 'silent'

export function encodeRequest(name: ApiName, version: number, values: Fields): Buffer {
  return encode(shapesOf(APIS[name], version)[0], values, version >= APIS[name].flexibleFrom)
}

export function readAnswer(name: ApiName, version: number, outcome: Outcome): CallResult {
  if (outcome.kind !== 'answer') return outcome.kind
  return decode(shapesOf(APIS[name], version)[1], outcome.body, version >= APIS[name].flexibleFrom)
}

/** One request on an open connection. */
export async function call(
  connection: RawConnection,
  name: ApiName,
  version: number,
  values: Fields,
  waitMs?: number,
): Promise<CallResult> {
  const flexible = version >= APIS[name].flexibleFrom
  const head = { apiKey: APIS[name].key, version, flexible, flexibleAnswer: flexible && name !== 'ApiVersions' }
  return readAnswer(name, version, await connection.request(head, encodeRequest(name, version, values), waitMs))
}

export function answered(result: CallResult): { readonly [name: string]: Value } {
  if (typeof result === 'string') throw new Error(`the broker did not answer: ${result}`)
  return result
}

export type Row = { readonly [name: string]: Value }

export function rows(value: Value | undefined): Row[] {
  return (value ?? []) as Row[]
}
