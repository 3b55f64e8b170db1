// A conversation with a caller in this process: whole frames over a message port, no socket, and batches of its producer without a frame
// around them. The worker's end.

import type { MessagePort } from 'node:worker_threads'
import type { AppendResult } from '../log/types.js'
import type { DirectBatch } from '../model/direct-batch.js'
import { errors } from '../model/errors.js'
import type { ResponsePiece } from './listener/response-writer.js'
import type { Peer, RequestProcessor } from './request-processor.js'

/** Memory of both threads that batches lie in, from its beginning. null: `slot` is not used any more. */
export interface BatchMemory {
  readonly slot: number
  readonly memory: SharedArrayBuffer | null
}

/** What batches are sent under. */
export interface BatchTerms {
  readonly slot: number
  readonly terms: Omit<DirectBatch, 'records'>
}

/**
 * Caller → worker, in order: request frames without length; memory and terms, each before they are first used; and batches. A batch is three
 * numbers, its size and the slots of memory and terms: an object and a buffer that changes hands for each batch took half of the CPU of both threads,
 * to be written, read and collected. The memory is the worker's until its answer.
 */
export type InProcessRequests = readonly (ArrayBuffer | BatchMemory | BatchTerms | number)[]
/**
 * Worker → caller, in the order of what was asked: answers without length, null for a request that has none; two numbers for a batch that was taken,
 * its base offset and the log's time; for another batch why not.
 */
export type InProcessAnswers = readonly (ArrayBuffer | null | number | AppendResult)[]

type Answer = ArrayBuffer | AppendResult | null

interface Slot {
  answer: Answer | undefined
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
  private readonly memory: (Buffer | undefined)[] = []
  private readonly terms: BatchTerms['terms'][] = []
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
      for (let at = 0; at < requests.length; at++) {
        const request = requests[at]!
        if (typeof request === 'number') {
          this.receiveBatch(request, requests[++at] as number, requests[++at] as number)
        } else if (request instanceof ArrayBuffer) this.receiveFrame(request)
        else if ('terms' in request) this.terms[request.slot] = request.terms
        else this.memory[request.slot] = request.memory === null ? undefined : Buffer.from(request.memory)
      }
    } catch (error) {
      this.destroy((error as Error).message)
    }
    this.processor.turnEnded()
  }

  private receiveFrame(frame: ArrayBuffer): void {
    const slot = this.takeSlot()
    this.processor.request(this, Buffer.from(frame), 0, frame.byteLength, (pieces) => {
      slot.answer = pieces === null ? null : joinAnswer(pieces)
      this.scheduleFlush()
    })
  }

  private receiveBatch(size: number, memory: number, terms: number): void {
    const slot = this.takeSlot()
    const { topic, topicId, partition, acks, millraceAck, timeoutMs, clientId } = this.terms[terms]!
    const records = this.memory[memory]!.subarray(0, size)
    this.produce({ topic, topicId, partition, records, acks, millraceAck, timeoutMs, clientId }, (result) => {
      slot.answer = result
      this.scheduleFlush()
    })
  }

  private takeSlot(): Slot {
    const slot: Slot = { answer: undefined }
    this.slots.push(slot)
    return slot
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
    const answers: (Answer | number)[] = []
    const frames: ArrayBuffer[] = []
    let count = 0
    for (; count < this.slots.length; count++) {
      const { answer } = this.slots[count]!
      if (answer === undefined) break
      if (answer instanceof ArrayBuffer) frames.push(answer)
      if (answer === null || answer instanceof ArrayBuffer || answer.errorCode !== errors.NONE.code) answers.push(answer)
      else answers.push(answer.baseOffset, answer.logAppendTime)
    }
    if (count === 0 || !this.open) return
    this.slots.splice(0, count)
    this.port.postMessage(answers satisfies InProcessAnswers, frames)
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
