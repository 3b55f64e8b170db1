// The client's transport into a broker in the same process: to a worker thread over a message port, or straight into the request processor
// with `workers: 0`. No socket, no wire parsing of its own: whole frames go over, whole answers come back. A producer's batches go without
// a frame, and without a checksum of the client's: the log computes it.

import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { type InProcessAnswers, type InProcessRequests, joinAnswer } from '../broker/in-process-connection.js'
import { native } from '../log/native.js'
import type { PackRecords } from '../protocol/records/index.js'
import type { Broker } from '../broker/broker.js'
import type { BrokerWorker } from '../broker/worker.js'
import type { Peer } from '../broker/request-processor.js'
import { ClientError } from '../client/errors.js'
import type { DirectBatch } from '../model/direct-batch.js'
import { errors } from '../model/errors.js'
import type { BrokerAddress, Connection, DirectDoor, DirectResult, Transport } from '../client/transport.js'

import { type Lent, SharedMemory, TermsTable } from './shared-batches.js'

const NOTHING = new Uint8Array(0)

export class InProcessTransport implements Transport {
  readonly bootstrap: readonly BrokerAddress[]
  readonly packRecords: PackRecords = (...args) => native().packRecords(...args)
  private readonly broker: Broker
  private readonly connections = new Set<Connection>()

  constructor(broker: Broker) {
    this.broker = broker
    this.bootstrap = [{ nodeId: broker.nodeId, host: 'in-process', port: 0 }]
  }

  async connect(): Promise<Connection> {
    const worker = this.broker.localWorker
    let connection: Connection
    if (worker) connection = new SameThreadConnection(worker)
    else {
      const { port1, port2 } = new MessageChannel()
      this.broker.connectInProcess(port2)
      connection = new PortConnection(port1)
    }
    for (const one of this.connections) if (!one.isOpen) this.connections.delete(one)
    this.connections.add(connection)
    return connection
  }

  close(): void {
    for (const connection of this.connections) connection.close()
    this.connections.clear()
  }
}

interface Waiting {
  readonly resolve: (answer: Uint8Array) => void
  readonly reject: (error: Error) => void
}

interface WaitingBatch {
  readonly done: (result: DirectResult | undefined) => void
  readonly memory: Lent
}

class PortConnection implements Connection {
  readonly direct: DirectDoor = { produce: (batch, done) => this.send(batch, done), push: () => this.push() }
  private readonly port: MessagePort
  private waiting: (Waiting | WaitingBatch)[] = []
  private outbox: InProcessRequests[number][] = []
  private frames: ArrayBuffer[] = []
  private readonly memory = new SharedMemory((slot, memory) => this.post({ slot, memory }))
  private readonly terms = new TermsTable((slot, terms) => this.post({ slot, terms }))
  private open = true
  bufferedBytes = 0

  constructor(port: MessagePort) {
    this.port = port
    port.on('message', (answers: InProcessAnswers) => this.receive(answers))
    port.on('close', () => this.close())
    port.unref()
  }

  get isOpen(): boolean {
    return this.open
  }

  request(pieces: readonly Uint8Array[]): Promise<Uint8Array> {
    if (!this.open) return Promise.reject(disconnected())
    const frame = joinPieces(pieces).buffer as ArrayBuffer
    this.frames.push(frame)
    this.post(frame)
    return new Promise((resolve, reject) => this.wait({ resolve, reject }))
  }

  /** The batch is copied: should the worker end, it is sent again from the producer's own memory. */
  private send(batch: DirectBatch, done: (result: DirectResult | undefined) => void): void {
    if (!this.open) {
      done(undefined)
      return
    }
    const { records } = batch
    const memory = this.memory.take(records.length)
    native().copyBytes(memory.bytes, records, 0)
    const terms = this.terms.slotOf(batch)
    this.post(records.length, memory.slot, terms)
    this.wait({ done, memory })
  }

  /** The worker goes on while this thread is busy appending, which its event loop would not let it. */
  private push(): void {
    this.flush()
    for (let message; this.open && (message = receiveMessageOnPort(this.port)) !== undefined;) this.receive(message.message)
  }

  private receive(answers: InProcessAnswers): void {
    for (let at = 0; at < answers.length; at++) {
      const answer = answers[at]!
      const waiting = this.waiting.shift()
      if (waiting === undefined) break
      if ('resolve' in waiting) waiting.resolve(answer === null ? NOTHING : new Uint8Array(answer as ArrayBuffer))
      else {
        const result = typeof answer === 'number' ? taken(answer, answers[++at] as number) : (answer as DirectResult)
        this.memory.giveBack(waiting.memory)
        waiting.done(result)
      }
    }
    if (this.waiting.length === 0) this.port.unref()
  }

  private wait(waiting: Waiting | WaitingBatch): void {
    // An answer that is owed keeps the process alive, an idle connection does not.
    if (this.waiting.length === 0) this.port.ref()
    this.waiting.push(waiting)
  }

  private post(...requests: InProcessRequests): void {
    if (this.outbox.length === 0) queueMicrotask(() => this.flush())
    this.outbox.push(...requests)
  }

  close(): void {
    if (!this.open) return
    this.open = false
    this.port.close()
    const { waiting } = this
    this.waiting = []
    for (const one of waiting) {
      if ('done' in one) one.done(undefined)
      else one.reject(disconnected())
    }
  }

  private flush(): void {
    const { outbox, frames } = this
    if (outbox.length === 0) return
    this.outbox = []
    this.frames = []
    if (this.open) this.port.postMessage(outbox satisfies InProcessRequests, frames)
  }
}

class SameThreadConnection implements Connection, Peer {
  readonly listenerName = 'IN_PROCESS'
  readonly remoteAddress = 'in-process'
  readonly localAddress = ''
  readonly localPort = 0
  readonly bufferedBytes = 0
  isOpen = true
  /** See `Connection`: no frame, no copy, no checksum of our own. */
  readonly direct: DirectDoor = { produce: (batch, done) => this.produceDirect(batch, done), push: () => this.worker.writeStaged() }
  private readonly worker: BrokerWorker
  private readonly unanswered = new Set<Waiting>()
  private readonly unansweredBatches = new Set<(result: undefined) => void>()
  /** One frame at a time lies here: the broker uses it up before `submit` returns. */
  private frame = Buffer.allocUnsafeSlow(64 * 1024)

  constructor(worker: BrokerWorker) {
    this.worker = worker
  }

  request(pieces: readonly Uint8Array[]): Promise<Uint8Array> {
    if (!this.isOpen) return Promise.reject(disconnected())
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { resolve, reject }
      this.unanswered.add(waiting)
      try {
        this.worker.request(this, this.frameOf(pieces), (answer) => {
          this.unanswered.delete(waiting)
          resolve(answer === null ? NOTHING : new Uint8Array(joinAnswer(answer)))
        })
      } catch (error) {
        this.unanswered.delete(waiting)
        reject(error as Error)
      }
    })
  }

  private produceDirect(batch: DirectBatch, done: (result: DirectResult | undefined) => void): void {
    if (!this.isOpen) {
      done(undefined)
      return
    }
    const waiting = this.unansweredBatches
    waiting.add(done)
    this.worker.produce(batch, (result) => {
      if (waiting.delete(done)) done(result)
    })
  }

  destroy(): void {
    this.close()
  }

  private frameOf(pieces: readonly Uint8Array[]): Buffer {
    let size = 0
    for (const piece of pieces) size += piece.length
    if (size > this.frame.length) this.frame = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(size)))
    return joinInto(this.frame, pieces).subarray(0, size)
  }

  close(): void {
    if (!this.isOpen) return
    this.isOpen = false
    for (const { reject } of this.unanswered) reject(disconnected())
    this.unanswered.clear()
    const batches = [...this.unansweredBatches]
    this.unansweredBatches.clear()
    for (const done of batches) done(undefined)
  }
}

function joinPieces(pieces: readonly Uint8Array[]): Buffer {
  let size = 0
  for (const piece of pieces) size += piece.length
  return joinInto(Buffer.from(new ArrayBuffer(size)), pieces)
}

function joinInto(target: Buffer, pieces: readonly Uint8Array[]): Buffer {
  let at = 0
  for (const piece of pieces) {
    target.set(piece, at)
    at += piece.length
  }
  return target
}

function taken(baseOffset: number, logAppendTime: number): DirectResult {
  return { errorCode: errors.NONE.code, errorMessage: null, recordErrors: null, baseOffset, logAppendTime }
}

/** Retriable: a worker that ended is replaced, and the next connection reaches its successor. */
function disconnected(): ClientError {
  return new ClientError('ERR_MILLRACE_DISCONNECTED', 'the connection to the embedded broker ended')
}
