// A thread of this node as the router knows it: its end of the port, its rings, and what it holds of which link. Runs on the link thread.

import type { RingReader } from '../threads/shared-ring.js'
import type { OutgoingCalls } from './outgoing-calls.js'
import type { LinkPort, PortOutbox, ToDoorMessage } from './port-messages.js'
import type { LinkSession } from './session.js'

/** The door of the thread coordinator; workers have their numbers. */
export const COORDINATOR = -1

/** One link as the router sees it. */
export interface RoutedLink {
  readonly id: number
  readonly session: LinkSession
  /** Gets what was queued sent, soon. */
  wake(): void
  close(reason: string): void
}

/** An end of a port to one thread. */
export interface Door {
  readonly number: number
  readonly port: LinkPort
  readonly outbox: PortOutbox<ToDoorMessage>
  /** Where its bodies lie; undefined: they come along. */
  readonly ring: RingReader | undefined
  /** Bytes of each link that this thread has and did not say it took. */
  readonly held: Map<number, number>
  /** Its open calls → where they are. */
  readonly calls: Map<number, { readonly on: OutgoingCalls; readonly correlation: number }>
}

/** The thread has so many more bytes of the link, which gives its peer none back for them until they are taken. */
export function hold(door: Door, link: RoutedLink, bytes: number): void {
  link.session.hold(bytes)
  door.held.set(link.id, (door.held.get(link.id) ?? 0) + bytes)
}
