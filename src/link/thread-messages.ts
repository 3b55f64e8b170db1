// What the thread coordinator and the link thread say to each other, besides what goes through doors.

import type { MessagePort } from 'node:worker_threads'
import type { LinkSettings, LinkTls, PeerAddress } from './settings.js'

/** workerData of the link thread. */
export interface LinkThreadInit {
  readonly nodeId: number
  readonly clusterId: string
  readonly secret: string | null
  readonly listen: PeerAddress | null
  readonly tls: LinkTls | null
  readonly settings: LinkSettings
  readonly logLevel: string
  /** Int32: set to 1 when the listening app is closed and the process may end. */
  readonly closed: SharedArrayBuffer
}

export type LinkThreadCommand =
  | { readonly kind: 'attach'; readonly door: number; readonly port: MessagePort }
  | { readonly kind: 'placement'; readonly key: string; readonly owners: Int16Array | null }
  | { readonly kind: 'peers'; readonly peers: ReadonlyMap<number, PeerAddress> }
  | { readonly kind: 'stats'; readonly id: number }
  | { readonly kind: 'close' }
  /** Ends the thread as a bug would. For tests of its replacement. */
  | { readonly kind: 'fail' }

export interface LinkStats {
  /** Authenticated ones, dialed and served. */
  readonly links: number
  /** Handshakes that this node refused as the one dialed. */
  readonly refused: number
  /** Requests of peers, by owner, and calls of this node, that are not all answered. */
  readonly open: number
  readonly pending: number
  readonly arrayBuffers: number
}

export type LinkThreadReport =
  | { readonly kind: 'listening'; readonly port: number | null }
  | { readonly kind: 'cannotListen'; readonly message: string }
  | { readonly kind: 'stats'; readonly id: number; readonly stats: LinkStats }
  | { readonly kind: 'failed'; readonly message: string }
