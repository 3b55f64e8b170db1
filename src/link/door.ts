// What a thread of a node sees of the links to other nodes: calls to a peer, handlers for the calls of peers, notices of peers that come
// and go. It knows frames and owners, never what a body means. `PortDoor` is the real one; tests have an in-memory twin with the same rules.

import type { Uuid } from '../model/topic-partition.js'

/** How a part of a call ended. Only `ok` brings a body. */
export const LinkStatus = {
  ok: 0,
  /** The peer's placement does not know the partition: it holds no replica, or does not know of it yet. */
  notHere: 1,
  /** The peer's worker that owns the partition has ended, before or while it worked on the part; its successor will take the next call. */
  ownerGone: 2,
  /** The owner has no handler for this kind of call, or the handler threw. */
  failed: 3,
} as const
export type LinkStatus = (typeof LinkStatus)[keyof typeof LinkStatus]

export interface LinkPart {
  /** null: for the peer's thread coordinator. */
  readonly topicId: Uuid | null
  readonly partition: number
  readonly body: Uint8Array
}

/** An answer that is written where it leaves from, so that a read from a file needs no memory of its own. `write` is called once, at once. */
export interface WrittenAnswer {
  readonly length: number
  /** So many of its last bytes carry checksums of their own, which whoever is answered verifies before use: the link need not. Absent: none. */
  readonly selfChecked?: number
  write(target: Uint8Array, at: number): void
}
export type LinkAnswer = Uint8Array | WrittenAnswer
/** `status` is LinkStatus.ok with a body, else the reason with an empty one. The body's bytes are there only until it returns. */
export type OnLinkAnswer = (index: number, body: Uint8Array, status: LinkStatus) => void
/**
 * Answers each part once, by its index in `parts`, in any order and at any time. An answer is copied before `answer` returns: its memory may be used
 * again; what `write` throws comes out of `answer`, and the part is still to be answered. The bodies of `parts` are there only until the handler returns: who needs them longer copies them.
 */
export type LinkHandler = (fromPeer: number, parts: readonly LinkPart[], answer: (index: number, body: LinkAnswer) => void) => void

export interface LinkDoor {
  /**
   * `onAnswer` runs for every part as its owner answers. Resolves when all parts are answered; rejects with LinkError when there is no link, it
   * broke, or time ran out: parts answered before stay answered, and whether the rest was acted on is unknown.
   */
  call(peer: number, kind: number, parts: readonly LinkPart[], onAnswer: OnLinkAnswer, timeoutMs: number): Promise<void>
  handle(kind: number, handler: LinkHandler): void
  /** Hears `up` of every peer that is up already, then every change. `up`: calls to this peer can be made. Returns how to stop. */
  onPeer(listener: (peer: number, up: boolean) => void): () => void
  isUp(peer: number): boolean
}

export type LinkErrorCode =
  /** No authenticated link to the peer, or it broke while the call was open. */
  | 'ERR_MILLRACE_LINK_DOWN'
  | 'ERR_MILLRACE_LINK_TIMEOUT'
  /** Too much waits for this peer already: nothing was sent. */
  | 'ERR_MILLRACE_LINK_BUSY'
  /** The call can never be sent: it passes a limit. */
  | 'ERR_MILLRACE_LINK_TOO_LARGE'

export class LinkError extends Error {
  readonly code: LinkErrorCode
  constructor(code: LinkErrorCode, message: string) {
    super(message)
    this.name = 'LinkError'
    this.code = code
  }
}
