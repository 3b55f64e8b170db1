// What a connection needs of the server it belongs to.

import type { Clock, Env } from '../../../env/env.js'
import type { EnsembleServer } from '../../ensemble-server.js'
import type { Connection } from './connection.js'
import type { Settings } from './options.js'
import type { Statistics } from './statistics.js'

export interface Connected {
  readonly frame: Buffer
  /** False: the answer says that there is no such session, and nothing follows. */
  readonly accepted: boolean
}

export interface ServerSide {
  readonly env: Env
  readonly clock: Clock
  readonly settings: Settings
  readonly ensemble: EnsembleServer
  readonly statistics: Statistics
  /** More requests than globalOutstandingLimit are unanswered. */
  readonly overLimit: boolean
  /** The answer to a four-letter word; null when it is none. */
  word(letters: string): string | null
  /** Makes or re-attaches the session that a connect request asks for; a string says why the connection ends instead. */
  connect(connection: Connection, bytes: Buffer, start: number, end: number): Promise<Connected | string>
  outstandingChanged(change: number): void
  closed(connection: Connection): void
}
