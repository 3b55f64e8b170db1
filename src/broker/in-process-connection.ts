// A conversation with a caller in this process: whole frames over a message port, no socket. The worker's end.

import type { MessagePort } from 'node:worker_threads'
import type { ResponsePiece } from './listener/response-writer.js'
import type { Peer, RequestProcessor } from './request-processor.js'

/** Caller → worker: request frames without length, in order. */
export type InProcessRequests = readonly ArrayBuffer[]
/** Worker → caller: the answers without length, in the order of the requests; null for a request that has none. */
export type InProcessAnswers = readonly (ArrayBuffer | null)[]

interface Slot {
  answer: ArrayBuffer | null | undefined
}

export class InProcessConnection implements Peer {
  readonly listenerName = 'IN_PROCESS'
  readonly remoteAddress = 'in-process'
  readonly localAddress = ''
  readonly localPort = 0
  private readonly port: MessagePort
  private readonly processor: RequestProcessor
  private readonly closed: () => void
  private slots: Slot[] = []
  private flushScheduled = false
  private open = true

  constructor(port: MessagePort, processor: RequestProcessor, closed: () => void) {
    this.port = port
    this.processor = processor
    this.closed = closed
    port.on('message', (frames: InProcessRequests) => this.receive(frames))
    port.on('close', () => this.destroy('the caller closed'))
  }

  get isOpen(): boolean {
    return this.open
  }

  destroy(_reason: string): void {
    if (!this.open) return
    this.open = false
    this.port.close()
    this.closed()
  }

  private receive(frames: InProcessRequests): void {
    try {
      for (const frame of frames) {
        const slot: Slot = { answer: undefined }
        this.slots.push(slot)
        this.processor.request(this, Buffer.from(frame), 0, frame.byteLength, (pieces) => {
          slot.answer = pieces === null ? null : joinAnswer(pieces)
          this.scheduleFlush()
        })
      }
    } catch (error) {
      this.destroy((error as Error).message)
    }
    this.processor.turnEnded()
  }

  private scheduleFlush(): void {
    if (this.flushScheduled) return
    this.flushScheduled = true
    queueMicrotask(() => {
      this.flushScheduled = false
      this.flush()
    })
  }

  private flush(): void {
    const answers: (ArrayBuffer | null)[] = []
    while (this.slots.length > answers.length && this.slots[answers.length]!.answer !== undefined)
      answers.push(this.slots[answers.length]!.answer!)
    if (answers.length === 0 || !this.open) return
    this.slots.splice(0, answers.length)
    this.port.postMessage(
      answers satisfies InProcessAnswers,
      answers.filter((answer) => answer !== null),
    )
  }
}

/** One buffer of its own, without the four bytes of length: file ranges are read straight into it. */
export function joinAnswer(pieces: readonly ResponsePiece[]): ArrayBuffer {
  let size = 0
  for (const piece of pieces) size += piece instanceof Uint8Array ? piece.length : piece.size
  const joined = Buffer.from(new ArrayBuffer(size - 4))
  let at = -4
  try {
    for (const piece of pieces) {
      if (piece instanceof Uint8Array) {
        joined.set(at < 0 ? piece.subarray(-at) : piece, Math.max(at, 0))
        at += piece.length
      } else {
        piece.read(0, piece.size, joined.subarray(at))
        at += piece.size
      }
    }
  } finally {
    for (const piece of pieces) if (!(piece instanceof Uint8Array)) piece.release()
  }
  return joined.buffer as ArrayBuffer
}
