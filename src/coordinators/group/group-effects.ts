// What the group protocol may cause outside of itself. The shard implements it; tests may too.

import type { Logger } from '../../env/env.js'
import type { CoordinatorRecord } from '../runtime/coordinator-record.js'
import type { GroupConfig } from './group-config.js'

export interface GroupEffects {
  now(): number
  config(): GroupConfig
  /** A random UUID in its usual text form. */
  newUuid(): string
  /** Sets or replaces the timer of that name. */
  schedule(key: string, delayMs: number, task: () => void): void
  cancel(key: string): void
  /** `done` runs once the records are committed and replayed (0), or with the error that says they are not. */
  append(records: readonly CoordinatorRecord[], done: (errorCode: number) => void): void
  readonly logger: Logger
}

export const timerKey = {
  session: (groupId: string, memberId: string) => `session ${groupId}\0${memberId}`,
  join: (groupId: string) => `join ${groupId}`,
  sync: (groupId: string) => `sync ${groupId}`,
}
