// One client of the ZooKeeper port: its socket, the order of its requests, and its place in the watch tables. Runs on the thread of the
// ensemble member.
//
//   opening     four letters, or a connect request; a session is made or re-attached
//   serving     requests in order
//   closing     the last answer is written, the socket ends
//
// Answers leave in the order of the requests. A read with nothing before it is answered at once; behind writes it waits until they are
// applied, and a write behind a waiting read is not submitted before it: so a read shows the writes before it, and none of those after it.
// Events go out when they happen, so before any answer that shows the change. What becomes ready in one turn of the loop is one write.

import type { Socket } from 'node:net'
import { isAllowed } from '../../tree/acl.js'
import { Opcode, ZkCode } from '../../tree/codes.js'
import { Perm, type AuthId, type TreeEvent, type TxnResult, type WatchEvent } from '../../tree/types.js'
import type { ZnodeTree } from '../../tree/znode-tree.js'
import { statOf } from '../../tree/znode.js'
import { ZnodeError } from '../../znode-client.js'
import { RefusedWriteError } from '../../store/recovery.js'
import { FrameReader } from '../frame-reader.js'
import { codecOf, reader, writer } from '../jute/codec.js'
import * as records from '../jute/records.js'
import { authenticate } from './access.js'
import type { ConnectionView } from './four-letter-words.js'
import { Outbox } from './outbox.js'
import { READS, type Asker, type Read } from './reads.js'
import { body, DONE, Refusal, type Reply } from './reply.js'
import type { ServerSide } from './server-side.js'
import { Statistics } from './statistics.js'
import { isWrite, readWrite } from './writes.js'
import { Xid } from '../xids.js'

const requestHeader = codecOf(records.RequestHeader)
const authPacket = codecOf(records.AuthPacket)
const watcherEvent = codecOf(records.WatcherEvent)
const pathRecord = codecOf(records.PathRecord)
const reconfigRequest = codecOf(records.ReconfigRequest)
const getDataResponse = codecOf(records.GetDataResponse)

const SYNC_CONNECTED = 3
const CONNECTED_READ_ONLY = 5
/** Unanswered requests of one connection, above which it is not read from. */
const MAX_OUTSTANDING = 1000

/** A request that is not answered yet. */
interface Entry {
  readonly xid: number
  readonly opcode: number
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
  readonly since: number
  /** `waiting`: not begun, because of what stands before it. */
  state: 'waiting' | 'submitted' | 'done'
  reply: Reply
  zxid: bigint
}

export class Connection implements Asker {
  readonly remote: string
  readonly address: string
  readonly statistics = new Statistics()
  auth: readonly AuthId[]
  sessionId = 0n
  timeoutMs = 0
  readOnly = false
  readonly #server: ServerSide
  readonly #socket: Socket
  readonly #frames: FrameReader
  readonly #outbox: Outbox
  #state: 'opening' | 'connecting' | 'serving' | 'closing' | 'closed' = 'opening'
  #letters: Buffer | null = null
  #queue: Entry[] = []
  /** Entries of the queue that are reads or writes not begun. */
  #waiting = 0
  #paused = false
  readonly #establishedAt: number
  #lastOpcode = 0
  #lastXid = 0
  #lastZxid = -1n
  #lastResponseAt = 0
  #lastLatencyMs = 0

  constructor(socket: Socket, server: ServerSide) {
    this.#server = server
    this.#socket = socket
    this.address = (socket.remoteAddress ?? '').replace(/^::ffff:/, '')
    this.remote = `${this.address}:${socket.remotePort ?? 0}`
    this.auth = [{ scheme: 'ip', id: this.address }]
    this.#establishedAt = server.clock.now()
    this.#frames = new FrameReader(server.settings.juteMaxBuffer)
    this.#outbox = new Outbox(socket, server.settings.maxBufferedBytes, (reason) => this.destroy(reason))
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#received(chunk))
    socket.on('drain', () => this.#resume())
    socket.on('error', (error) => this.destroy(error.message))
    socket.on('end', () => this.destroy('the client closed'))
    socket.on('close', () => this.destroy('closed'))
  }

  get tree(): ZnodeTree {
    return this.#server.ensemble.tree
  }

  get queued(): number {
    return this.#queue.length
  }

  view(): ConnectionView {
    return {
      remote: this.remote,
      queued: this.#queue.length,
      statistics: this.statistics,
      sessionId: this.sessionId,
      timeoutMs: this.timeoutMs,
      lastOpcode: this.#lastOpcode,
      establishedAt: this.#establishedAt,
      lastXid: this.#lastXid,
      lastZxid: this.#lastZxid,
      lastResponseAt: this.#lastResponseAt,
      lastLatencyMs: this.#lastLatencyMs,
    }
  }

  destroy(reason: string): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#server.env.logger.debug({ client: this.remote, reason }, 'connection closed')
    this.#server.outstandingChanged(-this.#queue.length)
    this.#queue = []
    this.tree.watches.removeWatcher(this)
    this.#server.closed(this)
    this.#socket.destroy()
  }

  /** Writes what is there and ends. */
  #end(): void {
    if (this.#state === 'closed') return
    this.#state = 'closing'
    this.tree.watches.removeWatcher(this)
    this.#outbox.flush()
    this.#socket.end(() => this.destroy('the session is over here'))
  }

  /** Told as the end of the session is applied. Who asked for it gets its answer first. */
  sessionEnded(): void {
    if (!this.#queue.some(({ opcode }) => opcode === Opcode.closeSession)) this.destroy('the session expired')
  }

  // ---- events

  /** From the tree, as a change is applied. Whoever may not read the node is not told. */
  deliver(event: TreeEvent): void {
    if (isAllowed(event.acl, Perm.read, this.auth)) this.tell(event)
  }

  tell(event: WatchEvent): void {
    if (this.#state !== 'serving') return
    const state = this.readOnly ? CONNECTED_READ_ONLY : SYNC_CONNECTED
    writer.begin()
    writer.int(Xid.event)
    writer.long(event.zxid)
    writer.int(ZkCode.ok)
    watcherEvent.write(writer, { type: event.type, state, path: event.path })
    this.#outbox.add(writer.finish())
    this.#outbox.schedule()
  }

  // ---- reading

  #received(chunk: Buffer): void {
    if (this.#state === 'closed' || this.#state === 'closing') return
    const first = this.#state === 'opening' ? this.#firstBytes(chunk) : chunk
    if (!first) return
    this.#frames.push(first)
    this.#work()
  }

  /** Four letters are a command; null when there is nothing (more) to do. */
  #firstBytes(chunk: Buffer): Buffer | null {
    const bytes = this.#letters ? Buffer.concat([this.#letters, chunk]) : chunk
    if (bytes.length < 4) {
      this.#letters = bytes
      return null
    }
    this.#letters = null
    const answer = this.#server.word(bytes.toString('latin1', 0, 4))
    if (answer === null) return bytes
    this.#outbox.add(Buffer.from(answer))
    this.#end()
    return null
  }

  /** Takes requests until there are none, or enough are under way, and sends what is answered at once. */
  #work(): void {
    // Heard of also while what it sent earlier is only now taken: a slow disk must not end the session that waits for it.
    if (this.#state === 'serving' && !this.readOnly) this.#server.ensemble.touch(this.sessionId)
    try {
      this.#take()
    } catch (error) {
      this.#broken(error)
    }
    this.#outbox.flush()
  }

  /** Bytes that are no request, or a mistake of ours: either way it is this connection that ends, not the process. */
  #broken(error: unknown): void {
    const why = error instanceof Error ? error : new Error(String(error))
    const protocol = (why as { code?: unknown }).code === 'ERR_MILLRACE_PROTOCOL'
    this.#server.env.logger[protocol ? 'warn' : 'error'](
      { client: this.remote, error: protocol ? why.message : why.stack },
      'closing a connection',
    )
    this.destroy(why.message)
  }

  #take(): void {
    while (this.#state === 'opening' || this.#state === 'serving') {
      if (this.#state === 'serving' && this.#mustPause()) return
      const next = this.#frames.next()
      if (next === 'more') return
      if (next === 'bad') {
        const length = this.#frames.badLength
        this.#server.env.logger.warn(
          { client: this.remote, length, limit: this.#server.settings.juteMaxBuffer, setting: 'jute.maxbuffer' },
          'closing a connection: its request is larger than jute.maxbuffer, or no request',
        )
        return this.destroy(`a frame of ${length} bytes`)
      }
      const { bytes, start, end } = this.#frames
      if (this.#state === 'opening') this.#connect(bytes, start, end)
      else this.#request(bytes, start, end)
    }
  }

  #mustPause(): boolean {
    const full = this.#queue.length >= MAX_OUTSTANDING || this.#outbox.blocked || (this.#queue.length > 0 && this.#server.overLimit)
    if (full && !this.#paused) {
      this.#paused = true
      this.#socket.pause()
    }
    return full
  }

  #resume(): void {
    if (!this.#paused || this.#state !== 'serving') return
    this.#paused = false
    this.#work()
    // `work` may have paused again.
    if (!(this.#paused as boolean)) this.#socket.resume()
  }

  // ---- the session

  #connect(bytes: Buffer, start: number, end: number): void {
    this.#state = 'connecting'
    this.#socket.pause()
    this.#server.connect(this, bytes, start, end).then(
      (response) => {
        if (this.#state !== 'connecting') return
        if (typeof response === 'string') return this.destroy(response)
        this.#outbox.add(response.frame)
        if (!response.accepted) return this.#end()
        this.#state = 'serving'
        this.#socket.resume()
        this.#work()
      },
      // The leader went away before it was agreed: the client tries again, here or elsewhere.
      (error: unknown) => (error instanceof ZnodeError ? this.destroy(`no session: ${error.message}`) : this.#broken(error)),
    )
  }

  // ---- requests

  #request(bytes: Buffer, start: number, end: number): void {
    this.statistics.received++
    this.#server.statistics.received++
    if (end - start < 8) return this.destroy('a request without a header')
    reader.reset(bytes, start, end)
    const { xid, type: opcode } = requestHeader.read(reader)
    this.#lastXid = xid
    this.#lastOpcode = opcode
    if (opcode === Opcode.ping) return this.#send(Xid.ping, this.tree.lastZxid, DONE, this.#server.clock.monotonic())
    if (opcode === Opcode.auth) return this.#authenticate(xid)
    const since = this.#server.clock.monotonic()
    const read = READS[opcode]
    if (read && this.#queue.length === 0) return this.#send(xid, this.tree.lastZxid, this.#run(read), since)
    const entry: Entry = { xid, opcode, bytes, start, end, since, state: 'waiting', reply: DONE, zxid: 0n }
    this.#queue.push(entry)
    this.#server.outstandingChanged(1)
    if (this.#waiting > 0 || read) this.#waiting++
    else this.#begin(entry)
  }

  /** The reader stands behind the header. */
  #begin(entry: Entry): void {
    const { opcode } = entry
    entry.state = 'submitted'
    if (this.readOnly && (isWrite(opcode) || opcode === Opcode.sync || opcode === Opcode.reconfig)) {
      if (opcode !== Opcode.closeSession) return this.#finish(entry, ZkCode.notReadOnly)
      return this.#finish(entry, DONE)
    }
    if (isWrite(opcode)) return this.#submit(entry)
    if (opcode === Opcode.sync) return this.#sync(entry)
    if (opcode === Opcode.reconfig) return this.#reconfig(entry)
    this.#finish(entry, ZkCode.unimplemented)
  }

  #submit(entry: Entry): void {
    let write
    try {
      write = readWrite(entry.opcode, reader)
    } catch (error) {
      return this.#finish(entry, codeOf(error))
    }
    const { reply } = write
    const applied = (result: TxnResult): void => {
      entry.zxid = result.zxid
      this.#finish(entry, reply(result))
    }
    this.#server.ensemble
      .submit({ sessionId: this.sessionId, auth: this.auth, body: write.body })
      .then(applied, (error: unknown) => this.#failed(entry, error))
      .catch((error: unknown) => this.#broken(error))
  }

  #sync(entry: Entry): void {
    const { path } = pathRecord.read(reader)
    this.#server.ensemble
      .sync()
      .then(
        () => this.#finish(entry, body(pathRecord, { path })),
        (error: unknown) => this.#failed(entry, error),
      )
      .catch((error: unknown) => this.#broken(error))
  }

  #reconfig(entry: Entry): void {
    const { reconfig } = this.#server.settings
    if (!reconfig) return this.#finish(entry, ZkCode.reconfigDisabled)
    // By default everybody may read it and nobody but super may change it.
    if (!isAllowed(this.tree.node('/zookeeper/config')!.acl, Perm.write, this.auth)) return this.#finish(entry, ZkCode.noAuth)
    const answer = (code: number): void => {
      const node = this.tree.node('/zookeeper/config')!
      this.#finish(entry, code === ZkCode.ok ? body(getDataResponse, { data: node.data, stat: statOf(node) }) : code)
    }
    reconfig(reconfigRequest.read(reader))
      .then(answer, (error: unknown) => this.#failed(entry, error))
      .catch((error: unknown) => this.#broken(error))
  }

  /** Without a known fate there is no honest answer: the connection ends, as the client expects of a server that went away. */
  #failed(entry: Entry, error: unknown): void {
    if (error instanceof ZnodeError && error.zkCode !== ZkCode.connectionLoss) return this.#finish(entry, error.zkCode)
    if (error instanceof RefusedWriteError) return this.#finish(entry, ZkCode.systemError)
    this.destroy(`a request failed: ${String(error)}`)
  }

  #finish(entry: Entry, reply: Reply): void {
    if (this.#state === 'closed') return
    entry.reply = reply
    entry.state = 'done'
    if (this.#queue[0] === entry) this.#drain()
  }

  /** Answers from the front what can be answered, and begins what may begin. */
  #drain(): void {
    const queue = this.#queue
    let answered = 0
    for (const entry of queue) {
      if (entry.state === 'waiting' && !this.#beginWaiting(entry)) break
      if (entry.state !== 'done') break
      answered++
      this.#send(entry.xid, entry.zxid === 0n ? this.tree.lastZxid : entry.zxid, entry.reply, entry.since)
      if (this.#ends(entry)) return this.#end()
    }
    if (answered > 0) {
      queue.splice(0, answered)
      this.#server.outstandingChanged(-answered)
    }
    this.#beginWrites()
    this.#outbox.schedule()
    if (this.#paused && !this.#outbox.blocked && queue.length < MAX_OUTSTANDING / 2 && !this.#server.overLimit) this.#resume()
  }

  /** At the front. True when it is answered now. */
  #beginWaiting(entry: Entry): boolean {
    const read = READS[entry.opcode]
    if (!read) return false
    reader.reset(entry.bytes, entry.start + 8, entry.end)
    entry.reply = this.#run(read)
    entry.state = 'done'
    this.#waiting--
    return true
  }

  /** Writes that stood behind a read, up to the next read. */
  #beginWrites(): void {
    if (this.#waiting === 0) return
    // A copy: what is refused at once leaves the queue meanwhile.
    for (const entry of this.#queue.slice()) {
      if (entry.state !== 'waiting') continue
      if (READS[entry.opcode]) return
      this.#waiting--
      reader.reset(entry.bytes, entry.start + 8, entry.end)
      this.#begin(entry)
    }
  }

  #ends({ opcode, reply }: Entry): boolean {
    if (opcode === Opcode.closeSession) return true
    // An opcode that is not served ends the connection, as does a session that is not here (any more).
    return reply === ZkCode.sessionExpired || reply === ZkCode.sessionMoved || (reply === ZkCode.unimplemented && !isWrite(opcode))
  }

  #run(read: Read): Reply {
    try {
      return read(this, reader)
    } catch (error) {
      return codeOf(error)
    }
  }

  #authenticate(xid: number): void {
    const { scheme, auth } = authPacket.read(reader)
    const proven = authenticate(scheme, auth, this.address, this.#server.settings.superDigest)
    if (proven) {
      const known = (who: AuthId): boolean => this.auth.some((each) => each.scheme === who.scheme && each.id === who.id)
      this.auth = [...this.auth, ...proven.filter((who) => !known(who))]
    } else this.#server.env.logger.warn({ client: this.remote, scheme }, 'closing a connection: it could not be authenticated')
    this.#send(xid, 0n, proven ? DONE : ZkCode.authFailed, this.#server.clock.monotonic())
    if (!proven) this.#end()
  }

  #send(xid: number, zxid: bigint, reply: Reply, since: number): void {
    writer.begin()
    writer.int(xid)
    writer.long(zxid)
    if (typeof reply === 'number') writer.int(reply)
    else {
      writer.int(ZkCode.ok)
      reply.write(writer)
    }
    this.#outbox.add(writer.finish())
    const { clock } = this.#server
    const latencyMs = clock.monotonic() - since
    this.statistics.answered(latencyMs)
    this.#server.statistics.answered(latencyMs)
    this.#lastZxid = zxid
    this.#lastLatencyMs = latencyMs
    this.#lastResponseAt = clock.now()
  }
}

function codeOf(error: unknown): number {
  if (error instanceof Refusal) return error.zkCode
  if ((error as { code?: unknown }).code === 'ERR_MILLRACE_PROTOCOL') return ZkCode.marshallingError
  throw error
}
