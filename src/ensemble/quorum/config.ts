// The configuration of an ensemble: who is a member, who votes, where they listen. Text form is ZooKeeper's dynamic
// configuration, one `server.N=host:port:port:role[;client address]` a line (one port serves both of ZooKeeper's two). Pure.

export interface ServerSpec {
  readonly id: number
  readonly host: string
  /** Where the other members reach it. */
  readonly port: number
  readonly voter: boolean
  /** `host:port` of its ZooKeeper port, or null. */
  readonly clientAddress: string | null
}

export interface EnsembleConfig {
  readonly servers: readonly ServerSpec[]
}

export function votersOf(config: EnsembleConfig): number[] {
  return config.servers.filter((server) => server.voter).map((server) => server.id)
}

/** Is `ids` a majority of the voters of every one of `configs`? */
export function isQuorum(configs: readonly EnsembleConfig[], ids: ReadonlySet<number>): boolean {
  return configs.every((config) => {
    const voters = votersOf(config)
    return voters.filter((id) => ids.has(id)).length * 2 > voters.length
  })
}

export function hasAllVoters(configs: readonly EnsembleConfig[], ids: ReadonlySet<number>): boolean {
  return configs.every((config) => votersOf(config).every((id) => ids.has(id)))
}

export function formatConfig(config: EnsembleConfig): string {
  return config.servers
    .toSorted((a, b) => a.id - b.id)
    .map(({ id, host, port, voter, clientAddress }) => {
      const role = voter ? 'participant' : 'observer'
      return `server.${id}=${bracketed(host)}:${port}:${port}:${role}${clientAddress === null ? '' : `;${clientAddress}`}`
    })
    .join('\n')
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

const SERVER = /^server\.(\d+)=(\[[^\]]+\]|[^:;]+):(\d+)(?::(\d+))?(?::(participant|observer))?(?:;(.+))?$/

/** Null when the text names no server. Lines that are no servers (`version=`) are skipped; a bad one throws. */
export function parseConfig(text: string): EnsembleConfig | null {
  const servers: ServerSpec[] = []
  for (const line of text.split('\n')) {
    if (!line.startsWith('server.')) continue
    const match = SERVER.exec(line.trim())
    if (!match) throw new Error(`"${line}" is no server of an ensemble: server.N=host:port:port[:participant|observer][;client address]`)
    const host = match[2]!.replace(/^\[|\]$/g, '')
    servers.push({ id: Number(match[1]), host, port: Number(match[3]), voter: match[5] !== 'observer', clientAddress: match[6] ?? null })
  }
  return servers.length === 0 ? null : { servers }
}

/** What the line `version=` says (hexadecimal); null without one. */
export function versionOf(text: string): bigint | null {
  const digits = /^version=([0-9a-f]+)$/m.exec(text)?.[1]
  return digits === undefined ? null : BigInt(`0x${digits}`)
}
