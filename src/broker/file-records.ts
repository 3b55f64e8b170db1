// Records of a fetch answer that are still in their segment file. Stands in the `records` field of a response; the response writer reads the
// range chunk by chunk as the socket takes it. Runs on the worker that holds the connection, which may not be the partition's owner:
// then it reads the immutable bytes through a handle of its own.

import type { Env, Timer } from '../env/env.js'
import { native } from '../log/native.js'
import { assertPlanned } from '../log/planned.js'
import type { ReadPlan, SegmentTransfer } from '../log/types.js'
import { HEADER_SIZE } from '../protocol/records/batch-layout.js'
import type { ReplicaManager } from '../replica/replica-manager.js'
import type { FilePiece } from './listener/response-writer.js'

export class FileRecords implements FilePiece {
  readonly size: number
  /** What the codec writes as the field's length. */
  readonly length: number
  private readonly plan: ReadPlan
  private readonly source: RecordSource

  constructor(plan: ReadPlan, source: RecordSource) {
    this.size = plan.size
    this.length = plan.size
    this.plan = plan
    this.source = source
  }

  read(position: number, length: number, target: Buffer): void {
    this.source.read(this.plan, position, length, target)
  }

  send(position: number, length: number, descriptor: number): number {
    return this.source.send(this.plan, position, length, descriptor)
  }

  handOver(position: number, length: number, transfer: SegmentTransfer): boolean {
    return this.source.handOver(this.plan, position, length, transfer)
  }

  release(): void {
    this.source.release()
  }
}

export interface RecordSource {
  read(plan: ReadPlan, position: number, length: number, target: Buffer): void
  /** To a socket's descriptor without a copy; returns the bytes moved, 0: read and write them instead. */
  send(plan: ReadPlan, position: number, length: number, descriptor: number): number
  /** Adds bytes to what a transfer moves to its socket. False: read and write them instead. */
  handOver(plan: ReadPlan, position: number, length: number, transfer: SegmentTransfer): boolean
  /** One user less. */
  release(): void
}

/** Of a partition that lives on this worker. */
export class OwnRecords implements RecordSource {
  private readonly replicas: ReplicaManager
  private readonly topic: string
  private readonly partition: number

  constructor(replicas: ReplicaManager, topic: string, partition: number) {
    this.replicas = replicas
    this.topic = topic
    this.partition = partition
  }

  read(plan: ReadPlan, position: number, length: number, target: Buffer): void {
    const hosted = this.replicas.find(this.topic, this.partition)
    if (!hosted) throw new Error(`${this.topic}-${this.partition} left this node while its records were being sent`)
    const read = hosted.logOf(plan).readInto(plan, target, 0, position, length)
    if (read !== length) throw new Error(`${this.topic}-${this.partition}: ${read} bytes where ${length} were planned`)
  }

  send(plan: ReadPlan, position: number, length: number, descriptor: number): number {
    return this.replicas.find(this.topic, this.partition)?.logOf(plan).sendTo(plan, position, length, descriptor) ?? 0
  }

  handOver(plan: ReadPlan, position: number, length: number, transfer: SegmentTransfer): boolean {
    return this.replicas.find(this.topic, this.partition)?.logOf(plan).handOver(plan, position, length, transfer) ?? false
  }

  release(): void {}
}

/** Where the header that begins a range is looked at before the range is sent. */
const header = new Uint8Array(HEADER_SIZE)

/** Files kept open for the next answer: at the end of a partition one follows the other, and opening costs as much as sending. */
const IDLE_MS = 1000
const IDLE_FILES = 256

/** Of partitions that other workers own: files opened for reading when an answer is planned, and closed a while after their last user. */
export class ForeignRecords {
  private readonly env: Pick<Env, 'timers'>
  private readonly open = new Map<string, ForeignFile>()
  private timer: Timer | undefined

  constructor(env: Pick<Env, 'timers'>) {
    this.env = env
  }

  /** The file of a plan, until it is released. */
  acquire(plan: ReadPlan): RecordSource {
    const key = `${plan.dir}/${plan.segmentBaseOffset}/${plan.generation}/${plan.openedMs}`
    let file = this.open.get(key)
    if (!file) {
      if (this.open.size >= IDLE_FILES) this.closeIdle(() => true)
      this.open.set(key, (file = new ForeignFile(plan)))
      this.sweepLater()
    }
    file.users++
    file.isRecent = true
    return file
  }

  close(): void {
    this.timer?.cancel()
    this.closeIdle(() => true)
  }

  private sweep(): void {
    this.timer = undefined
    this.closeIdle((file) => !file.isRecent)
    for (const file of this.open.values()) file.isRecent = false
    this.sweepLater()
  }

  private sweepLater(): void {
    if (this.open.size > 0) this.timer ??= this.env.timers.after(IDLE_MS, () => this.sweep())
  }

  private closeIdle(isDue: (file: ForeignFile) => boolean): void {
    for (const [key, file] of this.open) {
      if (file.users > 0 || !isDue(file)) continue
      this.open.delete(key)
      file.close()
    }
  }
}

class ForeignFile implements RecordSource {
  users = 0
  isRecent = true
  private readonly handle: number

  constructor(plan: ReadPlan) {
    this.handle = native().segmentOpen(plan.dir, plan.segmentBaseOffset, false, -1, 4096, 0)
  }

  read(plan: ReadPlan, position: number, length: number, target: Buffer): void {
    const read = native().segmentRead(this.handle, plan.position + position, length, target, 0)
    if (read !== length) throw new Error(`${plan.dir}: ${read} bytes where ${length} were planned`)
    if (position === 0) assertPlanned(plan, target, 0, length)
  }

  send(plan: ReadPlan, position: number, length: number, descriptor: number): number {
    if (position === 0 && !this.beginsAsPlanned(plan)) return 0
    return native().segmentSend(this.handle, plan.position + position, length, descriptor)
  }

  handOver(plan: ReadPlan, position: number, length: number, transfer: SegmentTransfer): boolean {
    if (position === 0 && !this.beginsAsPlanned(plan)) return false
    return transfer.addSegment(this.handle, plan.position + position, length)
  }

  release(): void {
    this.users--
  }

  close(): void {
    native().segmentClose(this.handle)
  }

  /** Throws LogError for other bytes than the planned ones. False: too few to tell, `read` finds out why. */
  private beginsAsPlanned(plan: ReadPlan): boolean {
    if (plan.size < HEADER_SIZE) return false
    if (native().segmentRead(this.handle, plan.position, HEADER_SIZE, header, 0) < HEADER_SIZE) return false
    assertPlanned(plan, header, 0, HEADER_SIZE)
    return true
  }
}
