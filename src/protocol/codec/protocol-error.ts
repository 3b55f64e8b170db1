// The one error that decoding throws. Whoever reads from a socket treats it as the end of that conversation.

export class ProtocolError extends Error {
  readonly code = 'ERR_MILLRACE_PROTOCOL'

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ProtocolError'
  }
}
