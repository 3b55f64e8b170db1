// Requests that are answered from this member's tree, watches included. Nothing here waits.

import { isAllowed, maskedAcl } from '../../tree/acl.js'
import { Opcode, ZkCode } from '../../tree/codes.js'
import { pathProblem } from '../../tree/path.js'
import { EventType, Perm, type AuthId, type WatchEvent } from '../../tree/types.js'
import type { WatchMode, Watches } from '../../tree/watches.js'
import type { ZnodeTree } from '../../tree/znode-tree.js'
import { statOf, type Znode } from '../../tree/znode.js'
import type { Reader } from '../../../protocol/codec/reader.js'
import { codecOf } from '../jute/codec.js'
import * as records from '../jute/records.js'
import { userOf } from './access.js'
import { multiRead } from './multi.js'
import { body, DONE, type Reply } from './reply.js'

const pathRecord = codecOf(records.PathRecord)
const pathWatch = codecOf(records.PathWatch)
const pathMode = codecOf(records.PathMode)
const setWatches = codecOf(records.SetWatches)
const setWatches2 = codecOf(records.SetWatches2)
const statResponse = codecOf(records.StatResponse)
const getDataResponse = codecOf(records.GetDataResponse)
const getAclResponse = codecOf(records.GetAclResponse)
const getChildrenResponse = codecOf(records.GetChildrenResponse)
const getChildren2Response = codecOf(records.GetChildren2Response)
const getEphemeralsResponse = codecOf(records.GetEphemeralsResponse)
const getAllChildrenNumberResponse = codecOf(records.GetAllChildrenNumberResponse)
const whoAmIResponse = codecOf(records.WhoAmIResponse)
const errorResponse = codecOf(records.ErrorResponse)

/** Who asks. It is also what stands in the watch tables. */
export interface Asker {
  readonly tree: ZnodeTree
  readonly sessionId: bigint
  readonly auth: readonly AuthId[]
  /** An event that fires at once (setWatches). */
  tell(event: WatchEvent): void
}

export type Read = (asker: Asker, r: Reader) => Reply

export const READS: Readonly<Record<number, Read | undefined>> = {
  [Opcode.exists]: (asker, r) => {
    const { path, watch } = pathWatch.read(r)
    if (path.includes('\0')) return ZkCode.badArguments
    const node = asker.tree.node(path)
    if (watch) asker.tree.watches.add(path, asker, 'data')
    return node ? body(statResponse, { stat: statOf(node) }) : ZkCode.noNode
  },
  [Opcode.getData]: (asker, r) => {
    const { path, watch } = pathWatch.read(r)
    const node = readable(asker, path)
    if (typeof node === 'number') return node
    if (watch) asker.tree.watches.add(path, asker, 'data')
    return dataOf(node)
  },
  [Opcode.getAcl]: (asker, r) => {
    const { path } = pathRecord.read(r)
    const node = asker.tree.node(path)
    if (!node) return ZkCode.noNode
    if (!isAllowed(node.acl, Perm.read | Perm.admin, asker.auth)) return ZkCode.noAuth
    return body(getAclResponse, { acl: maskedAcl(node.acl, asker.auth), stat: statOf(node) })
  },
  [Opcode.getChildren]: (asker, r) => children(asker, r, false),
  [Opcode.getChildren2]: (asker, r) => children(asker, r, true),
  [Opcode.multiRead]: (asker, r) =>
    multiRead(r, (opcode, path) => {
      const node = readable(asker, path)
      if (typeof node === 'number') return node
      return opcode === Opcode.getData ? dataOf(node) : body(getChildrenResponse, { children: [...node.children] })
    }),
  [Opcode.getEphemerals]: (asker, r) => {
    const prefix = pathRecord.read(r).path
    const ephemerals = asker.tree.ephemeralsOf(asker.sessionId).filter((path) => path.startsWith(prefix))
    return body(getEphemeralsResponse, { ephemerals })
  },
  [Opcode.getAllChildrenNumber]: (asker, r) => {
    const { path } = pathRecord.read(r)
    const node = readable(asker, path)
    if (typeof node === 'number') return node
    return body(getAllChildrenNumberResponse, { totalNumber: asker.tree.descendantCount(path) })
  },
  [Opcode.whoAmI]: (asker) =>
    body(whoAmIResponse, { clientInfo: asker.auth.map((who) => ({ authScheme: who.scheme, user: userOf(who) })) }),
  [Opcode.setWatches]: (asker, r) => rearm(asker, { ...setWatches.read(r), persistentWatches: [], persistentRecursiveWatches: [] }),
  [Opcode.setWatches2]: (asker, r) => rearm(asker, setWatches2.read(r)),
  [Opcode.addWatch]: (asker, r) => {
    const { path, mode } = pathMode.read(r)
    const wanted = ADD_MODES[mode]
    if (!wanted || pathProblem(path)) return ZkCode.badArguments
    asker.tree.watches.add(path, asker, wanted)
    return body(errorResponse, { err: ZkCode.ok })
  },
  [Opcode.checkWatches]: (asker, r) => watches(asker, r, (of, path, kind) => of.has(path, asker, kind)),
  [Opcode.removeWatches]: (asker, r) => watches(asker, r, (of, path, kind) => of.remove(path, asker, kind)),
}

function readable(asker: Asker, path: string): Znode | number {
  const node = asker.tree.node(path)
  if (!node) return ZkCode.noNode
  return isAllowed(node.acl, Perm.read, asker.auth) ? node : ZkCode.noAuth
}

function dataOf(node: Znode): Reply {
  return body(getDataResponse, { data: node.data, stat: statOf(node) })
}

function children(asker: Asker, r: Reader, withStat: boolean): Reply {
  const { path, watch } = pathWatch.read(r)
  const node = readable(asker, path)
  if (typeof node === 'number') return node
  if (watch) asker.tree.watches.add(path, asker, 'children')
  const names = [...node.children]
  return withStat ? body(getChildren2Response, { children: names, stat: statOf(node) }) : body(getChildrenResponse, { children: names })
}

// ---- watches

const ADD_MODES: readonly (WatchMode | undefined)[] = ['persistent', 'recursive']
/** The numbers of checkWatches and removeWatches. */
const KINDS: readonly (WatchMode | 'any' | undefined)[] = [undefined, 'children', 'data', 'any', 'persistent', 'recursive']

function watches(asker: Asker, r: Reader, act: (of: Watches, path: string, kind: WatchMode | 'any') => boolean): Reply {
  const { path, mode } = pathMode.read(r)
  const kind = KINDS[mode]
  if (!kind) return ZkCode.badArguments
  return act(asker.tree.watches, path, kind) ? DONE : ZkCode.noWatcher
}

type Rearm = ReturnType<(typeof setWatches2)['read']>

/** After a reconnect: what changed since the client's last zxid fires at once, the rest is armed. */
function rearm(asker: Asker, wanted: Rearm): Reply {
  const { tree } = asker
  const since = wanted.relativeZxid
  const arm = (path: string, mode: WatchMode, fired: (node: Znode | undefined) => EventType | null): void => {
    const node = tree.node(path)
    const type = fired(node)
    if (type === null) tree.watches.add(path, asker, mode)
    // Of what it may not read it is told nothing, and has no watch any more: as if the event had been kept from it.
    else if (!node || isAllowed(node.acl, Perm.read, asker.auth)) asker.tell({ type, path, zxid: tree.lastZxid })
  }
  for (const path of wanted.dataWatches) {
    arm(path, 'data', (node) => (!node ? EventType.deleted : node.mzxid > since ? EventType.dataChanged : null))
  }
  for (const path of wanted.existWatches) arm(path, 'data', (node) => (node ? EventType.created : null))
  for (const path of wanted.childWatches) {
    arm(path, 'children', (node) => (!node ? EventType.deleted : node.pzxid > since ? EventType.childrenChanged : null))
  }
  for (const path of wanted.persistentWatches) tree.watches.add(path, asker, 'persistent')
  for (const path of wanted.persistentRecursiveWatches) tree.watches.add(path, asker, 'recursive')
  return DONE
}
