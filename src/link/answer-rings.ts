// Where the long answers of one link are read to: memory that the thread that asked sees, one ring for each thread. The socket fills it, nothing is
// copied. Runs on the link thread.
//
// Rings of this link alone, because frames of a link come one after the other, those of several links at the same time: a ring is in the order of one.
// What is reserved for a frame is nobody's until the frame was checked: if it is wrong, or no longer wanted, the next one is read over it.
//
// Bound: a ring of 4 MiB for each link and thread that has had long answers, of which only what was used at once is memory: an empty ring begins at its
// beginning. Without room there a frame is read into the link's own buffer, and its answers are copied. Gone with the link, or with the thread's door.

import { type PortOutbox, ToDoor, type ToDoorMessage } from './port-messages.js'
import { type Placed, ringMemory, RingWriter } from '../threads/shared-ring.js'

const RING_BYTES = 4 << 20
/** Reserved behind a frame: the beginning of the next is read along, so that it is known in time what comes. */
const BEHIND_BYTES = 512

/** An end of a port to one thread. */
export interface RingDoor {
  readonly outbox: PortOutbox<ToDoorMessage>
}

export class AnswerRings {
  private readonly link: number
  private readonly rings = new Map<RingDoor, RingWriter>()
  /** What the frame that comes now is read into. */
  private reserved: { readonly door: RingDoor; readonly bytes: Uint8Array } | undefined

  constructor(link: number) {
    this.link = link
  }

  /** Memory for a frame of answers to this thread, and some behind it; undefined: there is no room. */
  reserve(door: RingDoor, bytes: number): Uint8Array | undefined {
    const room = this.ringOf(door).reserve(bytes + BEHIND_BYTES)
    this.reserved = room && { door, bytes: room }
    return room
  }

  /** A frame was checked, and its answers are this thread's: it is kept, if it lies in the thread's ring. To be told to the thread next. */
  keep(door: RingDoor, frame: Uint8Array): Placed | undefined {
    const { reserved } = this
    if (!reserved || reserved.door !== door) return undefined
    const { buffer, byteOffset } = reserved.bytes
    if (frame.buffer !== buffer || frame.byteOffset !== byteOffset) return undefined
    this.reserved = undefined
    return this.rings.get(door)?.commit(frame.length)
  }

  /** The thread is gone. */
  detach(door: RingDoor): void {
    this.rings.delete(door)
  }

  /** The link is gone. */
  close(): void {
    for (const door of this.rings.keys()) door.outbox.post([ToDoor.ring, this.link, null])
    this.rings.clear()
    this.reserved = undefined
  }

  private ringOf(door: RingDoor): RingWriter {
    const known = this.rings.get(door)
    if (known) return known
    const memory = ringMemory(RING_BYTES)
    const ring = new RingWriter(memory)
    this.rings.set(door, ring)
    door.outbox.post([ToDoor.ring, this.link, memory])
    return ring
  }
}
