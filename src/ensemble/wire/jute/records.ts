// Every record of ZooKeeper's client protocol that this project speaks, as tables. Names are ZooKeeper's (zookeeper.jute).

import { bool, buffer, inner, int, long, record, time, ustring, vector, type ShapeOf } from './schema.js'

// ---- parts

export const StatRecord = record('Stat', {
  czxid: long,
  mzxid: long,
  ctime: time,
  mtime: time,
  version: int,
  cversion: int,
  aversion: int,
  ephemeralOwner: long,
  dataLength: int,
  numChildren: int,
  pzxid: long,
})
const stat = inner(StatRecord)
export const AclRecord = record('ACL', { perms: int, scheme: ustring, id: ustring })
const acl = vector(inner(AclRecord))
const paths = vector(ustring)

// ---- headers

/** A trailing `readOnly` boolean may follow both connect records: clients older than 3.4, and some newer ones, leave it away. */
export const ConnectRequest = record('ConnectRequest', {
  protocolVersion: int,
  lastZxidSeen: long,
  timeOut: int,
  sessionId: long,
  passwd: buffer,
})
export const ConnectResponse = record('ConnectResponse', { protocolVersion: int, timeOut: int, sessionId: long, passwd: buffer })
export const RequestHeader = record('RequestHeader', { xid: int, type: int })
export const ReplyHeader = record('ReplyHeader', { xid: int, zxid: long, err: int })
export const MultiHeader = record('MultiHeader', { type: int, done: bool, err: int })
export const WatcherEvent = record('WatcherEvent', { type: int, state: int, path: ustring })

// ---- requests and responses

export const AuthPacket = record('AuthPacket', { type: int, scheme: ustring, auth: buffer })
export const CreateRequest = record('CreateRequest', { path: ustring, data: buffer, acl, flags: int })
export const CreateTtlRequest = record('CreateTTLRequest', { path: ustring, data: buffer, acl, flags: int, ttl: time })
/** create, sync, and other requests and answers that are one path. */
export const PathRecord = record('PathRecord', { path: ustring })
export const Create2Response = record('Create2Response', { path: ustring, stat })
/** delete and check. */
export const PathVersion = record('PathVersion', { path: ustring, version: int })
/** exists, getData, getChildren, getChildren2. */
export const PathWatch = record('PathWatch', { path: ustring, watch: bool })
export const SetDataRequest = record('SetDataRequest', { path: ustring, data: buffer, version: int })
export const SetAclRequest = record('SetACLRequest', { path: ustring, acl, version: int })
/** exists, setData, setACL. */
export const StatResponse = record('StatResponse', { stat })
export const GetDataResponse = record('GetDataResponse', { data: buffer, stat })
export const GetAclResponse = record('GetACLResponse', { acl, stat })
export const GetChildrenResponse = record('GetChildrenResponse', { children: paths })
export const GetChildren2Response = record('GetChildren2Response', { children: paths, stat })
export const SetWatches = record('SetWatches', { relativeZxid: long, dataWatches: paths, existWatches: paths, childWatches: paths })
export const SetWatches2 = record('SetWatches2', {
  relativeZxid: long,
  dataWatches: paths,
  existWatches: paths,
  childWatches: paths,
  persistentWatches: paths,
  persistentRecursiveWatches: paths,
})
/** addWatch (mode), checkWatches and removeWatches (type). */
export const PathMode = record('PathMode', { path: ustring, mode: int })
export const GetEphemeralsResponse = record('GetEphemeralsResponse', { ephemerals: paths })
export const GetAllChildrenNumberResponse = record('GetAllChildrenNumberResponse', { totalNumber: int })
export const ClientInfo = record('ClientInfo', { authScheme: ustring, user: ustring })
export const WhoAmIResponse = record('WhoAmIResponse', { clientInfo: vector(inner(ClientInfo)) })
export const ReconfigRequest = record('ReconfigRequest', {
  joiningServers: ustring,
  leavingServers: ustring,
  newMembers: ustring,
  curConfigId: long,
})
export const ErrorResponse = record('ErrorResponse', { err: int })

export type ConnectRequest = ShapeOf<typeof ConnectRequest>
export type ConnectResponse = ShapeOf<typeof ConnectResponse>
export type ReconfigRequest = ShapeOf<typeof ReconfigRequest>
