// Who is there? Both ends prove that they hold the cluster's secret before either acts on, or sends, any other byte. Pure: frames in, frames
// out; the nonce is given.
//
//   dialer                                              server
//   hello: versions, cluster, own id, id dialed, nonce →
//                                                     ← challenge: version chosen, cluster, own id, nonce
//   proof: own limits, [certificate, signature,] MAC  →
//                                                     ← welcome: own limits, MAC          (or, at any step, refused: code, text)
//
// MAC = HMAC-SHA256(secret, role ‖ every frame before it as sent ‖ the fields before it). So it is bound to the role (an end that gets its own
// bytes back sees the wrong role: no reflection), to both node ids, the cluster id, both nonces, and to the version ranges as both saw them (no
// downgrade). The stranger proves first: a server gives nothing that depends on the secret to one that has not. Without a secret the key is empty;
// an end with one and an end without refuse each other, which both flags say before any MAC.
//
// hello            bytes                              challenge        bytes
//   'MLNK'         4                                    version        1
//   min, max       1 + 1                                min, max       1 + 1
//   flags          1   1: has a secret                  flags          1   1: has a secret, 2: wants a certificate
//   node id        4                                    node id        4
//   peer id        4                                    nonce          32
//   nonce          32                                   cluster id     1 + …
//   cluster id     1 + … (length, UTF-8)
// proof                                               welcome
//   window         4                                    window         4
//   max body       4                                    max body       4
//   certificate    2 + … (DER; empty when not wanted)   MAC            32
//   signature      2 + …                              refused
//   MAC            32                                   code           1
//                                                       text           …

import { createHmac, timingSafeEqual } from 'node:crypto'
import { asBuffer } from '../model/bytes.js'
import { FRAME_HEADER, FrameType, makeFrame, openFrame } from './frames.js'

const MAGIC = 0x4b4e4c4d
const NONCE = 32
const MAC = 32
const HAS_SECRET = 1
const WANTS_CERTIFICATE = 2

export const RefusalCode = { protocol: 1, version: 2, cluster: 3, node: 4, secret: 5, authentication: 6, certificate: 7 } as const
export type RefusalCode = (typeof RefusalCode)[keyof typeof RefusalCode]

export interface Refusal {
  readonly code: number
  readonly text: string
}

export interface LinkIdentity {
  readonly nodeId: number
  readonly clusterId: string
  readonly secret: string | null
  readonly minVersion: number
  readonly maxVersion: number
  readonly windowBytes: number
  readonly maxBodyBytes: number
}

/** Proof of a certificate beside the secret: TLS here cannot require one of the dialer. The acting side holds keys and files. */
export interface CertificateProver {
  /** Dialer: own certificate (DER) and a signature over `transcript`. */
  prove?(transcript: Uint8Array): { certificate: Uint8Array; signature: Uint8Array }
  /** Server, where it requires certificates: null when it holds, else what is wrong. */
  verify?(certificate: Uint8Array, signature: Uint8Array, transcript: Uint8Array): string | null
}

export interface Agreed {
  readonly peer: number
  readonly version: number
  /** What the peer takes: bytes in flight and bytes of one body. */
  readonly windowBytes: number
  readonly maxBodyBytes: number
}

export type HandshakeStep =
  | { readonly kind: 'send'; readonly frame: Uint8Array }
  | { readonly kind: 'done'; readonly agreed: Agreed; readonly frame: Uint8Array | null }
  /** `told`: the peer refused us; else `frame` tells it. */
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly told: boolean; readonly frame: Uint8Array | null }

class RefusalError extends Error {
  readonly code: RefusalCode
  constructor(code: RefusalCode, text: string) {
    super(text)
    this.code = code
  }
}

/** Frames of one handshake so far, and the MACs over them. */
class Transcript {
  private readonly frames: Uint8Array[] = []
  private readonly secret: string

  constructor(secret: string | null) {
    this.secret = secret ?? ''
  }

  /** Copies: a received frame may die. */
  add(frame: Uint8Array): void {
    this.frames.push(Uint8Array.from(frame))
  }

  bytes(role: 'dialer' | 'server', fields: Uint8Array): Uint8Array {
    return Buffer.concat([Buffer.from(`millrace link ${role}\0`), ...this.frames, fields])
  }

  mac(role: 'dialer' | 'server', fields: Uint8Array): Uint8Array {
    return createHmac('sha256', this.secret).update(this.bytes(role, fields)).digest()
  }
}

function refusalFrame(refusal: Refusal): Uint8Array {
  return makeFrame(0, FrameType.refused, 0, Buffer.concat([Buffer.from([refusal.code]), Buffer.from(refusal.text).subarray(0, 500)]))
}

/** Opens a handshake frame of the type expected and gives its payload, or throws what is wrong with it. */
function expectFrame(frame: Uint8Array, type: FrameType): Buffer {
  const header = openFrame(frame)
  if (!header) throw new RefusalError(RefusalCode.protocol, 'not a frame of a link: too short, or its checksum is wrong')
  if (header.type !== type || header.version !== 0)
    throw new RefusalError(RefusalCode.protocol, `a frame of type ${header.type} during the handshake, where type ${type} was due`)
  return asBuffer(frame).subarray(FRAME_HEADER)
}

function readAll<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof RefusalError) throw error
    throw new RefusalError(RefusalCode.protocol, `a handshake frame that ends early: ${(error as Error).message}`)
  }
}

/** Turns what a step threw into its refusal. Anything else is a bug and goes on. */
function guarded(step: () => HandshakeStep): HandshakeStep {
  try {
    return step()
  } catch (error) {
    if (!(error instanceof RefusalError)) throw error
    const refusal = { code: error.code, text: error.message }
    return { kind: 'refused', refusal, told: false, frame: refusalFrame(refusal) }
  }
}

function clusterField(clusterId: string): Buffer {
  const text = Buffer.from(clusterId)
  if (text.length > 255) throw new RangeError(`the cluster id has ${text.length} bytes; 255 at most`)
  return Buffer.concat([Buffer.from([text.length]), text])
}

function readCluster(payload: Buffer, at: number): string {
  const length = payload.readUInt8(at)
  if (payload.length !== at + 1 + length) throw new RangeError('its length is wrong')
  return payload.toString('utf8', at + 1, at + 1 + length)
}

function limits(identity: LinkIdentity): Buffer {
  const fields = Buffer.alloc(8)
  fields.writeUInt32LE(identity.windowBytes, 0)
  fields.writeUInt32LE(identity.maxBodyBytes, 4)
  return fields
}

function checkMac(given: Uint8Array, expected: Uint8Array): void {
  if (given.length === MAC && timingSafeEqual(given, expected)) return
  throw new RefusalError(RefusalCode.authentication, 'the peer did not prove that it has the secret of this cluster')
}

/** Refused on both sides by the flags alone, with a text that says what to do. */
function checkSecrets(mine: LinkIdentity, theirFlags: number, peer: string): void {
  const theirs = (theirFlags & HAS_SECRET) !== 0
  if (theirs === (mine.secret !== null)) return
  const text = theirs ? `${peer} has a cluster secret and this node has none` : `this node has a cluster secret and ${peer} has none`
  throw new RefusalError(RefusalCode.secret, `${text}; set the same secret on every node`)
}

export class DialerHandshake {
  private readonly identity: LinkIdentity
  private readonly peer: number
  private readonly certificates: CertificateProver
  private readonly transcript: Transcript
  private version = 0
  private state: 'hello' | 'proof' | 'over' = 'hello'

  constructor(identity: LinkIdentity, peer: number, certificates: CertificateProver = {}) {
    this.identity = identity
    this.peer = peer
    this.certificates = certificates
    this.transcript = new Transcript(identity.secret)
  }

  start(nonce: Uint8Array): Uint8Array {
    const { identity } = this
    const fixed = Buffer.alloc(16)
    fixed.writeUInt32LE(MAGIC, 0)
    fixed.writeUInt8(identity.minVersion, 4)
    fixed.writeUInt8(identity.maxVersion, 5)
    fixed.writeUInt8(identity.secret === null ? 0 : HAS_SECRET, 6)
    fixed.writeInt32LE(identity.nodeId, 8)
    fixed.writeInt32LE(this.peer, 12)
    const hello = makeFrame(0, FrameType.hello, 0, Buffer.concat([fixed, nonce.subarray(0, NONCE), clusterField(identity.clusterId)]))
    this.transcript.add(hello)
    return hello
  }

  receive(frame: Uint8Array): HandshakeStep {
    const header = openFrame(frame)
    if (header?.type === FrameType.refused && frame.length > FRAME_HEADER) {
      this.state = 'over'
      const text = Buffer.from(frame.subarray(FRAME_HEADER + 1)).toString('utf8')
      return { kind: 'refused', refusal: { code: frame[FRAME_HEADER]!, text }, told: true, frame: null }
    }
    return guarded(() => (this.state === 'hello' ? this.challenged(frame) : this.welcomed(frame)))
  }

  private challenged(frame: Uint8Array): HandshakeStep {
    const { identity } = this
    const payload = expectFrame(frame, FrameType.challenge)
    const { version, flags, nodeId, clusterId } = readAll(() => ({
      version: payload.readUInt8(0),
      flags: payload.readUInt8(3),
      nodeId: payload.readInt32LE(4),
      clusterId: readCluster(payload, 8 + NONCE),
    }))
    const peer = `node ${this.peer}`
    if (nodeId !== this.peer) throw new RefusalError(RefusalCode.node, `node ${nodeId} answers at the address of ${peer}`)
    if (version < identity.minVersion || version > identity.maxVersion)
      throw new RefusalError(
        RefusalCode.version,
        `${peer} chose link version ${version}; this node speaks ${identity.minVersion} to ${identity.maxVersion}`,
      )
    if (clusterId !== identity.clusterId)
      throw new RefusalError(RefusalCode.cluster, `${peer} is in cluster ${clusterId}, this node in ${identity.clusterId}`)
    checkSecrets(identity, flags, peer)
    this.version = version
    this.transcript.add(frame)
    const proof = makeFrame(0, FrameType.proof, 0, this.proofFields((flags & WANTS_CERTIFICATE) !== 0))
    this.transcript.add(proof)
    this.state = 'proof'
    return { kind: 'send', frame: proof }
  }

  private proofFields(wantsCertificate: boolean): Buffer {
    const fixed = limits(this.identity)
    let certificate: Uint8Array = new Uint8Array(0)
    let signature: Uint8Array = new Uint8Array(0)
    if (wantsCertificate) {
      if (!this.certificates.prove)
        throw new RefusalError(RefusalCode.certificate, 'the peer requires a certificate and this node has none')
      ;({ certificate, signature } = this.certificates.prove(this.transcript.bytes('dialer', fixed)))
    }
    const fields = Buffer.concat([fixed, sized(certificate), sized(signature)])
    return Buffer.concat([fields, this.transcript.mac('dialer', fields)])
  }

  private welcomed(frame: Uint8Array): HandshakeStep {
    const payload = expectFrame(frame, FrameType.welcome)
    if (this.state !== 'proof' || payload.length !== 8 + MAC) throw new RefusalError(RefusalCode.protocol, 'a welcome that is not one')
    checkMac(payload.subarray(8), this.transcript.mac('server', payload.subarray(0, 8)))
    this.state = 'over'
    const agreed = { peer: this.peer, version: this.version, windowBytes: payload.readUInt32LE(0), maxBodyBytes: payload.readUInt32LE(4) }
    return { kind: 'done', agreed, frame: null }
  }
}

export class ServerHandshake {
  private readonly identity: LinkIdentity
  private readonly nonce: Uint8Array
  private readonly certificates: CertificateProver
  private readonly transcript: Transcript
  private version = 0
  private peer = -1
  private state: 'hello' | 'proof' | 'over' = 'hello'

  constructor(identity: LinkIdentity, nonce: Uint8Array, certificates: CertificateProver = {}) {
    this.identity = identity
    this.nonce = nonce
    this.certificates = certificates
    this.transcript = new Transcript(identity.secret)
  }

  receive(frame: Uint8Array): HandshakeStep {
    return guarded(() => (this.state === 'hello' ? this.greeted(frame) : this.proved(frame)))
  }

  private greeted(frame: Uint8Array): HandshakeStep {
    const { identity } = this
    const payload = expectFrame(frame, FrameType.hello)
    const hello = readAll(() => ({
      magic: payload.readUInt32LE(0),
      min: payload.readUInt8(4),
      max: payload.readUInt8(5),
      flags: payload.readUInt8(6),
      nodeId: payload.readInt32LE(8),
      dialed: payload.readInt32LE(12),
      clusterId: readCluster(payload, 16 + NONCE),
    }))
    if (hello.magic !== MAGIC) throw new RefusalError(RefusalCode.protocol, 'not a link of Millrace')
    const peer = `node ${hello.nodeId}`
    const version = Math.min(hello.max, identity.maxVersion)
    if (version < hello.min || version < identity.minVersion)
      throw new RefusalError(
        RefusalCode.version,
        `${peer} speaks link versions ${hello.min} to ${hello.max}, node ${identity.nodeId} ${identity.minVersion} to ${identity.maxVersion}`,
      )
    if (hello.clusterId !== identity.clusterId)
      throw new RefusalError(
        RefusalCode.cluster,
        `${peer} is in cluster ${hello.clusterId}, node ${identity.nodeId} in ${identity.clusterId}`,
      )
    if (hello.dialed !== identity.nodeId)
      throw new RefusalError(RefusalCode.node, `${peer} dialed node ${hello.dialed} and reached node ${identity.nodeId}`)
    if (hello.nodeId === identity.nodeId)
      throw new RefusalError(RefusalCode.node, `another node says that it is ${peer}, which is this one`)
    checkSecrets(identity, hello.flags, peer)
    this.version = version
    this.peer = hello.nodeId
    this.transcript.add(frame)
    const challenge = this.challenge()
    this.transcript.add(challenge)
    this.state = 'proof'
    return { kind: 'send', frame: challenge }
  }

  private challenge(): Uint8Array {
    const { identity } = this
    const fixed = Buffer.alloc(8)
    fixed.writeUInt8(this.version, 0)
    fixed.writeUInt8(identity.minVersion, 1)
    fixed.writeUInt8(identity.maxVersion, 2)
    fixed.writeUInt8((identity.secret === null ? 0 : HAS_SECRET) | (this.certificates.verify ? WANTS_CERTIFICATE : 0), 3)
    fixed.writeInt32LE(identity.nodeId, 4)
    return makeFrame(0, FrameType.challenge, 0, Buffer.concat([fixed, this.nonce.subarray(0, NONCE), clusterField(identity.clusterId)]))
  }

  private proved(frame: Uint8Array): HandshakeStep {
    const payload = expectFrame(frame, FrameType.proof)
    if (this.state !== 'proof') throw new RefusalError(RefusalCode.protocol, 'the handshake is over')
    const { certificate, signature, end } = readAll(() => {
      const first = readSized(payload, 8)
      const second = readSized(payload, first.end)
      return { certificate: first.bytes, signature: second.bytes, end: second.end }
    })
    checkMac(payload.subarray(end), this.transcript.mac('dialer', payload.subarray(0, end)))
    if (this.certificates.verify) {
      const wrong = this.certificates.verify(certificate, signature, this.transcript.bytes('dialer', payload.subarray(0, 8)))
      if (wrong !== null) throw new RefusalError(RefusalCode.certificate, wrong)
    }
    this.transcript.add(frame)
    this.state = 'over'
    const fields = limits(this.identity)
    const welcome = makeFrame(0, FrameType.welcome, 0, Buffer.concat([fields, this.transcript.mac('server', fields)]))
    const agreed = { peer: this.peer, version: this.version, windowBytes: payload.readUInt32LE(0), maxBodyBytes: payload.readUInt32LE(4) }
    return { kind: 'done', agreed, frame: welcome }
  }
}

function sized(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16LE(bytes.length, 0)
  return Buffer.concat([length, bytes])
}

function readSized(payload: Buffer, at: number): { bytes: Uint8Array; end: number } {
  const end = at + 2 + payload.readUInt16LE(at)
  if (end > payload.length) throw new RangeError('a field passes its end')
  return { bytes: payload.subarray(at + 2, end), end }
}

/** For what is told without a frame of the peer: too many connections, say. */
export function refuse(code: RefusalCode, text: string): Uint8Array {
  return refusalFrame({ code, text })
}
