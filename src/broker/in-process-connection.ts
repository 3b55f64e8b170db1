// A conversation with a caller in this process: whole frames over a message port, no socket, and batches of its producer without a frame
// around them. The worker's end.

import type { MessagePort } from 'node:worker_threads'
import type { AppendResult } from '../log/types.js'
import type { DirectBatch } from '../model/direct-batch.js'
import type { ResponsePiece } from './listener/response-writer.js'
import type { Peer, RequestProcessor } from './request-processor.js'

/** A batch and the memory it lies in from 0 on, which goes back with the answer. */
export interface InProcessBatch extends Omit<DirectBatch, 'records'> {
  readonly memory: ArrayBuffer
  readonly size: number
}

export interface InProcessResult {
  readonly result: AppendResult
  readonly memory: ArrayBuffer
}

/** Caller → worker: request frames without length, and batches, in order. */
export type InProcessRequests = readonly (ArrayBuffer | InProcessBatch)[]
/** Worker → caller: the answers without length, and results, in the order of what was asked; null for a request that has none. */
export type InProcessAnswers = readonly (ArrayBuffer | InProcessResult | null)[]

interface Slot {
  answer: ArrayBuffer | InProcessResult | null | undefined
}

type Produce = (batch: DirectBatch, done: (result: AppendResult) => void) => void

export class InProcessConnection implements Peer {
  readonly listenerName = 'IN_PROCESS'
  readonly remoteAddress = 'in-process'
  readonly localAddress = ''
  readonly localPort = 0
  private readonly port: MessagePort
  private readonly processor: RequestProcessor
  private readonly produce: Produce
  private readonly closed: () => void
  private slots: Slot[] = []
  private flushScheduled = false
  private open = true

  constructor(port: MessagePort, processor: RequestProcessor, produce: Produce, closed: () => void) {
    this.port = port
    this.processor = processor
    this.produce = produce
    this.closed = closed
    port.on('message', (requests: InProcessRequests) => this.receive(requests))
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

  private receive(requests: InProcessRequests): void {
    try {
      for (const request of requests) {
        const slot: Slot = { answer: undefined }
        this.slots.push(slot)
        if (request instanceof ArrayBuffer) {
          this.processor.request(this, Buffer.from(request), 0, request.byteLength, (pieces) => {
            slot.answer = pieces === null ? null : joinAnswer(pieces)
            this.scheduleFlush()
          })
        } else {
          const { memory, size, ...batch } = request
          this.produce({ ...batch, records: Buffer.from(memory, 0, size) }, (result) => {
            slot.answer = { result, memory }
            this.scheduleFlush()
          })
        }
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
    const answers: (ArrayBuffer | InProcessResult | null)[] = []
    while (this.slots.length > answers.length && this.slots[answers.length]!.answer !== undefined)
      answers.push(this.slots[answers.length]!.answer!)
    if (answers.length === 0 || !this.open) return
    this.slots.splice(0, answers.length)
    this.port.postMessage(
      answers satisfies InProcessAnswers,
      answers.filter((answer) => answer !== null).map((answer) => (answer instanceof ArrayBuffer ? answer : answer.memory)),
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
