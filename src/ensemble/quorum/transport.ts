// How members reach each other, as the quorum member sees it. `tcp-transport.ts` is the real one; simulations have theirs.
// A connection keeps order and loses nothing while it lasts; what was on its way when it broke is gone.

import type { ServerSpec } from './config.js'

export interface PeerHandler {
  /** `bytes` are the handler's to keep. */
  onMessage(from: number, bytes: Buffer): void
  /** Down before up when a connection takes the place of another. */
  onPeer(id: number, up: boolean): void
}

export interface PeerTransport {
  start(handler: PeerHandler): void
  /** Dropped when there is no connection; a peer that does not take its bytes loses its connection. */
  send(to: number, bytes: Buffer): void
  /** Whom to connect to. Members that are not named may still connect here. */
  setMembers(servers: readonly ServerSpec[]): void
  close(): Promise<void>
}
