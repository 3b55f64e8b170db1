// The codec's public names.

export { apiVersionsFor, supportedFeatures } from './api-versions.js'
export type { BodyOf } from './codec.js'
export { decode, decodeVersioned, encode, encodePieces, encodeVersioned } from './codec.js'
export { correlationIdOf, decodeRequest, decodeResponse, encodeRequest, encodeResponse } from './frames.js'
export { ProtocolError } from './protocol-error.js'
export { decodeRequestHeader } from './request-header.js'
export type { RequestHeader } from './request-header.js'
