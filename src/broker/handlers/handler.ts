// What a request handler is. One file per API beside this one, same basename as protocol/schema. A handler knows
// no sockets and no files: it reads the request, asks the services in `HandlerContext`, returns the response body.
// Handlers run on the thread that holds the connection (a worker, or the caller's thread when embedded).

import type { MetadataImage } from '../../controller/image.js'
import type { Env } from '../../env/env.js'
import type { ConnectionAffinity } from '../listener/connection-affinity.js'
import type { BrokerServices } from './services.js'

export interface RequestContext {
  readonly apiKey: number
  readonly version: number
  readonly correlationId: number
  readonly clientId: string | null
  /** Kafka's form, e.g. `User:ANONYMOUS`. */
  readonly principal: string
  /** Peer's address without the port; for JoinGroup's client_host the handler adds the leading slash as Kafka does. */
  readonly clientHost: string
  /** Listener the connection came in by, and the local address it was accepted on (advertised for this node on wildcard listeners). */
  readonly listenerName: string
  readonly localAddress: string
  readonly localPort: number
  /** False once the connection is gone: a parked request may be dropped. */
  isOpen(): boolean
  /** The same object for all requests of a connection; undefined: each stands for itself. */
  readonly connection?: object | undefined
  /** Told of which workers partitions are asked for; undefined: nobody wants to know. */
  readonly affinity?: ConnectionAffinity | undefined
}

export interface HandlerContext {
  readonly env: Env
  readonly nodeId: number
  /** The newest metadata image this thread has. */
  image(): MetadataImage
  readonly services: BrokerServices
}

/** `null`: no response is sent (Produce with acks 0). */
export type HandlerResult = object | null

/** `api` key → handler function; the table is in `handlers/index.ts`. */
export type Handler<Request = never> = (
  request: Request,
  context: RequestContext,
  broker: HandlerContext,
) => HandlerResult | Promise<HandlerResult>
