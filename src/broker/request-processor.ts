// From a request frame to its answer: header, version check, decode, handler, encode. Runs on the worker that holds the connection; knows
// frames and handlers, no sockets and no files.

import type { Logger } from '../env/env.js'
import { errors } from '../model/errors.js'
import { decodeRequest, decodeRequestHeader, encodeResponse, ProtocolError, type RequestHeader } from '../protocol/codec/index.js'
import type { ProduceRequest } from '../protocol/schema/produce.js'
import { type Api, apis } from '../protocol/schema/index.js'
import { apiVersionsAnswer } from './handlers/api-versions.js'
import type { HandlerContext, RequestContext } from './handlers/handler.js'
import { handlerFor, type HandledApi } from './handlers/index.js'
import { handleProduce } from './handlers/produce.js'
import type { ConnectionAffinity } from './listener/connection-affinity.js'
import type { ResponsePiece } from './listener/response-writer.js'

/** The conversation a request came in by: a TCP connection or an in-process one. */
export interface Peer {
  readonly listenerName: string
  readonly remoteAddress: string
  readonly localAddress: string
  readonly localPort: number
  readonly isOpen: boolean
  /** Undefined: it stays where it is. */
  readonly affinity?: ConnectionAffinity | undefined
  destroy(reason: string): void
}

export type Respond = (pieces: readonly ResponsePiece[] | null) => void

export class RequestProcessor {
  private readonly broker: HandlerContext
  private readonly logger: Logger

  constructor(broker: HandlerContext) {
    this.broker = broker
    this.logger = broker.env.logger
  }

  /** One request at bytes[start, end), which stay valid only during this call. Throws ProtocolError for what cannot be read. */
  request(peer: Peer, bytes: Buffer, start: number, end: number, respond: Respond): void {
    if (end - start >= 8 && bytes.readInt16BE(start) === apis.produce.key) {
      this.produce(peer, bytes, start, end, respond)
      return
    }
    // Anything but Produce may wait: it gets a copy of its own, the receive buffer is for the next read.
    const frame = Buffer.from(bytes.subarray(start, end))
    const header = decodeRequestHeader(frame, 0, frame.length)
    const handled = handlerFor(header.apiKey)
    if (!handled)
      throw new ProtocolError(`API key ${header.apiKey} is not served (client ${header.clientId ?? 'unnamed'} from ${peer.remoteAddress})`)
    const { api } = handled
    if (header.apiVersion < api.minVersion || header.apiVersion > api.maxVersion) this.unsupportedVersion(api, header, respond)
    else this.handle(handled, header, frame, peer, respond)
  }

  /** All frames of a read were handed over. */
  turnEnded(): void {
    this.broker.services.partitions.turnEnded()
  }

  private handle(handled: HandledApi, header: RequestHeader, frame: Buffer, peer: Peer, respond: Respond): void {
    const { api } = handled
    const body = decodeRequest(api, header.apiVersion, frame, header.bodyOffset)
    const answer = (response: object | null): void => {
      respond(response === null ? null : encodeResponse(api, header.apiVersion, header.correlationId, response as never))
    }
    const result = handled.handle(body as never, contextOf(header, peer), this.broker)
    if (result instanceof Promise) {
      result.then(answer).catch((error: unknown) => {
        // A bug, not an outcome: the request gets no answer, so the client must see the connection end.
        this.logger.error({ api: api.name, error: (error as Error).stack ?? String(error) }, 'a request handler failed')
        peer.destroy(`handling ${api.name} failed`)
      })
    } else answer(result)
  }

  private produce(peer: Peer, bytes: Buffer, start: number, end: number, respond: Respond): void {
    const header = decodeRequestHeader(bytes, start, end)
    const { apiVersion, correlationId } = header
    const api = apis.produce
    if (apiVersion < api.minVersion || apiVersion > api.maxVersion) {
      throw new ProtocolError(`Produce version ${apiVersion} is not served, ${api.minVersion} to ${api.maxVersion} are`)
    }
    const request = decodeRequest(api, apiVersion, bytes, header.bodyOffset, end) as ProduceRequest
    handleProduce(request, contextOf(header, peer), this.broker, (response, failed) => {
      if (failed) peer.destroy('a produce request with acks=0 failed')
      respond(response === null ? null : encodeResponse(api, apiVersion, correlationId, response))
    })
  }

  private unsupportedVersion(api: Api, header: RequestHeader, respond: Respond): void {
    if (api.key !== apis.apiVersions.key) {
      throw new ProtocolError(`${api.name} version ${header.apiVersion} is not served, ${api.minVersion} to ${api.maxVersion} are`)
    }
    respond(
      encodeResponse(apis.apiVersions, 0, header.correlationId, apiVersionsAnswer(errors.UNSUPPORTED_VERSION.code, [apis.apiVersions.key])),
    )
  }
}

function contextOf(header: RequestHeader, peer: Peer): RequestContext {
  return {
    apiKey: header.apiKey,
    version: header.apiVersion,
    correlationId: header.correlationId,
    clientId: header.clientId,
    principal: 'User:ANONYMOUS',
    clientHost: peer.remoteAddress,
    listenerName: peer.listenerName,
    localAddress: peer.localAddress,
    localPort: peer.localPort,
    isOpen: () => peer.isOpen,
    connection: peer,
    affinity: peer.affinity,
  }
}
