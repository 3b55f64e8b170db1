// The vocabulary of the znode tree: stat, ACL, transactions and their results. Plain data, no behaviour.

/** A znode's stat as ZooKeeper answers it. zxids and session ids exceed 2^53: bigint. Times are milliseconds. */
export interface Stat {
  readonly czxid: bigint
  readonly mzxid: bigint
  readonly ctime: number
  readonly mtime: number
  readonly version: number
  readonly cversion: number
  readonly aversion: number
  /** 0n unless ephemeral (container and TTL nodes read 0n too). */
  readonly ephemeralOwner: bigint
  readonly dataLength: number
  readonly numChildren: number
  readonly pzxid: bigint
}

export const Perm = { read: 1, write: 2, create: 4, delete: 8, admin: 16, all: 31 } as const

export interface AuthId {
  readonly scheme: string
  readonly id: string
}

export interface Acl extends AuthId {
  readonly perms: number
}

/** What stands on /zookeeper/config: it changes by reconfig alone. */
export const READ_ACL: readonly Acl[] = [{ perms: Perm.read, scheme: 'world', id: 'anyone' }]

/** world:anyone may do everything: what unsecured clients send. */
export const OPEN_ACL: readonly Acl[] = [{ perms: Perm.all, scheme: 'world', id: 'anyone' }]

export type CreateMode = 'persistent' | 'ephemeral' | 'container' | 'ttl'

export interface CreateOp {
  readonly kind: 'create'
  readonly path: string
  readonly data: Uint8Array | null
  readonly acl: readonly Acl[]
  readonly mode: CreateMode
  /** The parent's counter is appended to `path` as %010d. */
  readonly sequential: boolean
  /** Milliseconds without children or changes after which a `ttl` node may go; 0 otherwise. */
  readonly ttlMs: number
}

export interface DeleteOp {
  readonly kind: 'delete'
  readonly path: string
  /** -1: any. */
  readonly version: number
}

export interface SetDataOp {
  readonly kind: 'setData'
  readonly path: string
  readonly data: Uint8Array | null
  readonly version: number
}

export interface CheckOp {
  readonly kind: 'check'
  readonly path: string
  readonly version: number
}

export interface SetAclOp {
  readonly kind: 'setAcl'
  readonly path: string
  readonly acl: readonly Acl[]
  readonly version: number
}

export type SingleOp = CreateOp | DeleteOp | SetDataOp | CheckOp | SetAclOp

export type TxnBody =
  | SingleOp
  | { readonly kind: 'multi'; readonly ops: readonly SingleOp[] }
  /** `timeoutMs` 0: an in-process session, which ends with its member's process. */
  | { readonly kind: 'createSession'; readonly timeoutMs: number; readonly password: Uint8Array }
  | { readonly kind: 'closeSession' }
  /** The session goes on at the member the transaction came through: a re-attach. Refused (authFailed) with another password. */
  | { readonly kind: 'moveSession'; readonly password: Uint8Array }
  /** The leader takes off a container or TTL node that is due. Checked again when applied; needs no session. */
  | { readonly kind: 'reap'; readonly path: string; readonly czxid: bigint }
  /** A new configuration of the ensemble in ZooKeeper's dynamic format, without its version line; needs no session. */
  | { readonly kind: 'reconfig'; readonly config: string }

/** One entry of the agreed order. Operations are validated when applied, so a refused one is a transaction too. */
export interface Txn {
  readonly sessionId: bigint
  /** What the session has authenticated as; empty for nobody. */
  readonly auth: readonly AuthId[]
  readonly body: TxnBody
  /** The member it came through (0 to 254): another one than the session's owner is refused with sessionMoved. Absent: not checked. */
  readonly via?: number
}

/** Result of one operation. `path` and `stat` as far as the operation has them. */
export interface OpResult {
  readonly code: number
  readonly path: string | null
  readonly stat: Stat | null
}

export interface TxnResult {
  readonly zxid: bigint
  /** The transaction's own code; a failed multi carries the code of the operation that failed. */
  readonly code: number
  readonly path: string | null
  readonly stat: Stat | null
  /** One per operation of a multi; empty otherwise. */
  readonly results: readonly OpResult[]
}

export const EventType = { created: 1, deleted: 2, dataChanged: 3, childrenChanged: 4 } as const
export type EventType = (typeof EventType)[keyof typeof EventType]

export interface WatchEvent {
  readonly type: EventType
  readonly path: string
  readonly zxid: bigint
}

/** As the tree tells it: `acl` of the node at `path`. Whoever may not read the node is not told. */
export interface TreeEvent extends WatchEvent {
  readonly acl: readonly Acl[]
}
