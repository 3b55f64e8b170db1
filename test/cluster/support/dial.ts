import { connect, type Socket } from 'node:net'

/** To `host:port`. */
export function dial(address: string): Socket {
  const at = address.lastIndexOf(':')
  return connect(Number(address.slice(at + 1)), address.slice(0, at))
}
