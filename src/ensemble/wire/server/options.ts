// What the ZooKeeper port can be told, under ZooKeeper's names, with its defaults.

import type { TlsOptions } from 'node:tls'
import type { Env } from '../../../env/env.js'
import type { EnsembleServer } from '../../ensemble-server.js'
import type { ReconfigRequest } from '../jute/records.js'

export interface ZkServerOptions {
  readonly env: Env
  readonly ensemble: EnsembleServer
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** Present: the port speaks TLS only. */
  readonly tls?: TlsOptions
  /** `super:<base64 sha1>`: who authenticates so may do everything. */
  readonly superDigest?: string
  /** Connections of one address; 0: no limit. */
  readonly maxClientCnxns?: number
  /** Connections altogether; 0: no limit. */
  readonly maxCnxns?: number
  /** Unanswered requests over all connections, above which connections that have some are not read from. */
  readonly globalOutstandingLimit?: number
  /** jute.maxbuffer: a larger request ends its connection. */
  readonly juteMaxBuffer?: number
  /** Bytes that wait for one client to read them, above which its connection ends. */
  readonly maxBufferedBytes?: number
  /** Serve reads to clients that accept it while this member has no leader. */
  readonly readOnlyMode?: boolean
  /** Shown by `conf` and `envi`. */
  readonly dataDir?: string
  /** Changes the ensemble's members (opcode 16); absent: reconfig is disabled. Resolves with ZooKeeper's code. */
  readonly reconfig?: (request: ReconfigRequest) => Promise<number>
}

export interface Settings extends Required<Omit<ZkServerOptions, 'tls' | 'superDigest' | 'reconfig'>> {
  readonly tls: TlsOptions | undefined
  readonly superDigest: string | undefined
  readonly reconfig: ((request: ReconfigRequest) => Promise<number>) | undefined
}

export function settingsOf(options: ZkServerOptions): Settings {
  return {
    maxClientCnxns: 60,
    maxCnxns: 0,
    globalOutstandingLimit: 1000,
    juteMaxBuffer: 0xfffff,
    maxBufferedBytes: 16 * 1024 * 1024,
    readOnlyMode: true,
    dataDir: '',
    ...options,
    tls: options.tls,
    superDigest: options.superDigest,
    reconfig: options.reconfig,
  }
}
