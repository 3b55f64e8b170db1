// What bounds a link. Plain data: it crosses to the link thread.

export interface LinkSettings {
  /** Bytes a peer may have on their way to us, per link, before we say that we took them. Announced in the handshake. */
  readonly windowBytes: number
  /** Bodies above it travel in pieces of this size, between which others pass. */
  readonly chunkBytes: number
  /** Bodies up to this size go before larger ones and share frames. */
  readonly smallBytes: number
  /** Bytes that may wait to be sent on one link. Calls beyond it are refused; beyond it as answers, the peer's next requests wait. */
  readonly queueBytes: number
  /** A single body, request or answer. */
  readonly maxBodyBytes: number
  /** Calls open on one link. */
  readonly maxOpenCalls: number
  readonly pingIntervalMs: number
  /** A peer not heard for so long is dead. */
  readonly deadAfterMs: number
  readonly handshakeTimeoutMs: number
  /** Connections that have not proved who they are; more are refused. */
  readonly maxUnauthenticated: number
  readonly reconnectMinMs: number
  readonly reconnectMaxMs: number
  /** Protocol versions spoken. For tests of negotiation. */
  readonly minVersion: number
  readonly maxVersion: number
}

export const defaultLinkSettings: LinkSettings = {
  windowBytes: 8 << 20,
  chunkBytes: 1 << 20,
  smallBytes: 16 << 10,
  queueBytes: 32 << 20,
  maxBodyBytes: 128 << 20,
  maxOpenCalls: 10_000,
  pingIntervalMs: 1000,
  deadAfterMs: 5000,
  handshakeTimeoutMs: 5000,
  maxUnauthenticated: 64,
  reconnectMinMs: 50,
  reconnectMaxMs: 2000,
  minVersion: 1,
  maxVersion: 2,
}

/** Files in PEM. With `ca` the certificates of peers are checked against it, both ways. */
export interface LinkTls {
  readonly keyFile: string
  readonly certFile: string
  readonly caFile?: string
  readonly passphrase?: string
  /** Whether the name dialed must be in the server's certificate (default true). */
  readonly verifyHost?: boolean
}

export interface PeerAddress {
  readonly host: string
  readonly port: number
}

/** Refuses what cannot work, naming the setting. */
export function checkLinkSettings(settings: LinkSettings): void {
  const { chunkBytes, smallBytes, windowBytes } = settings
  if (chunkBytes < 1024 || chunkBytes > 1 << 20) throw new RangeError(`link chunkBytes is ${chunkBytes}; it must be 1024 to 1048576`)
  if (smallBytes > chunkBytes) throw new RangeError(`link smallBytes is ${smallBytes}; it must be at most chunkBytes (${chunkBytes})`)
  if (windowBytes < 4 * chunkBytes || windowBytes > 1 << 30)
    throw new RangeError(`link windowBytes is ${windowBytes}; it must be 4 chunks (${4 * chunkBytes}) to 1 GiB`)
  if (settings.deadAfterMs <= settings.pingIntervalMs)
    throw new RangeError(`link deadAfterMs is ${settings.deadAfterMs}; it must be above pingIntervalMs (${settings.pingIntervalMs})`)
}
