// Reading of flag values that several commands share. Pure, light: loaded with every command.

import type { Command } from 'commander'
import { compressionNames, type CompressionName } from '../protocol/records/batch-header.js'
import { usageError } from './errors.js'

export interface HostPort {
  readonly host: string
  readonly port: number
}

export const DEFAULT_TIMEOUT_MS = 30_000
export const DEFAULT_BOOTSTRAP = '127.0.0.1:9092'

/** `HOST:PORT`, `:PORT` (every address), `[v6]:PORT`. Port 0: any free one. */
export function parseHostPort(text: string, flag: string): HostPort {
  const match = /^(?:[A-Za-z_0-9]+:\/\/)?(?:\[([^\]]+)\]|([^:\s]*)):(\d+)$/.exec(text.trim())
  const port = Number(match?.[3])
  if (!match || port > 65_535)
    throw usageError(`${flag} takes HOST:PORT, and ${JSON.stringify(text)} is not one`, `write for example ${flag} 127.0.0.1:9092`)
  return { host: match[1] ?? (match[2] || '0.0.0.0'), port }
}

export function formatAddress({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

export function parseWhole(text: string, flag: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
  const value = /^-?\d+$/.test(text.trim()) ? Number(text) : NaN
  if (!(value >= min && value <= max)) {
    const most = max === Number.MAX_SAFE_INTEGER ? ' or more' : ` to ${max}`
    throw usageError(`${flag} takes a whole number (${min}${most}), and ${JSON.stringify(text)} is not one`)
  }
  return value
}

/** For commander's repeatable flags. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value]
}

export function parsePair(text: string, flag: string): [key: string, value: string] {
  const at = text.indexOf('=')
  if (at < 1) throw usageError(`${flag} takes NAME=VALUE, and ${JSON.stringify(text)} is not one`)
  return [text.slice(0, at), text.slice(at + 1)]
}

/** The value of `--compression`. */
export function parseCompression(text: string): CompressionName {
  const name = compressionNames.find((codec) => codec === text)
  if (!name) throw usageError(`--compression takes ${compressionNames.join(', ')}, and ${JSON.stringify(text)} is none of them`)
  return name
}

/** Epoch milliseconds, an ISO date, or an age such as 15m, 2h, 3d (before now). */
export function parseTime(text: string, flag: string, now = Date.now()): number {
  const age = /^(\d+)(ms|s|m|h|d)$/.exec(text)
  if (age) return now - Number(age[1]) * { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[age[2] as 'ms']
  const value = /^\d+$/.test(text) ? Number(text) : Date.parse(text)
  if (Number.isNaN(value))
    throw usageError(
      `${flag} takes a time, and ${JSON.stringify(text)} is not one`,
      `write epoch milliseconds, 2026-01-31T12:00:00Z, or an age such as 15m`,
    )
  return value
}

/** Flags of every command that talks to a broker. */
export interface ClientFlags {
  readonly bootstrap: string
  readonly json?: boolean
  /** Absent: DEFAULT_TIMEOUT_MS. */
  readonly timeout?: string
}

export function withClientFlags(command: Command): Command {
  return command
    .option(
      '-b, --bootstrap <host:port>',
      'broker to start from; several separated by commas',
      process.env['MILLRACE_BOOTSTRAP'] ?? DEFAULT_BOOTSTRAP,
    )
    .option('--timeout <ms>', `give up on a request after this long; default ${DEFAULT_TIMEOUT_MS}`)
    .option('--json', 'print JSON')
}

export function timeoutOf({ timeout }: Pick<ClientFlags, 'timeout'>): number {
  return timeout === undefined ? DEFAULT_TIMEOUT_MS : parseWhole(timeout, '--timeout', 1, 2_147_483_647)
}

export function bootstrapOf(flags: ClientFlags): string[] {
  const servers = flags.bootstrap.split(',').map((item) => item.trim())
  return servers.map((server) => {
    const { host, port } = parseHostPort(server.includes(':') ? server : `${server}:9092`, '--bootstrap')
    return formatAddress({ host, port })
  })
}
