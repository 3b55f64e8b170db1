// ZooKeeper's connect string: `host:port,host:port/chroot`. Pure.

import { pathProblem } from '../../tree/path.js'

const DEFAULT_PORT = 2181

export interface ServerAddress {
  readonly host: string
  readonly port: number
}

export interface ConnectString {
  readonly servers: readonly ServerAddress[]
  /** '' when there is none. */
  readonly chroot: string
}

export function parseConnectString(text: string): ConnectString {
  const slash = text.indexOf('/')
  const chroot = slash === -1 ? '' : text.slice(slash).replace(/^\/$/, '')
  const problem = chroot === '' ? null : pathProblem(chroot)
  if (problem) throw new Error(`the chroot ${chroot} of the ZooKeeper address ${text} is no path: ${problem}`)
  const servers = (slash === -1 ? text : text.slice(0, slash)).split(',').map((each) => address(each.trim(), text))
  return { servers, chroot }
}

function address(text: string, whole: string): ServerAddress {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text)
  const port = match?.[3] === undefined ? DEFAULT_PORT : Number(match[3])
  if (!match || port < 1 || port > 65535) {
    throw new Error(`"${text}" in the ZooKeeper address "${whole}" is not host:port; write host:port,host:port/chroot`)
  }
  return { host: match[1] ?? match[2]!, port }
}
