// The short form in which the tables write one setting.

import type { Importance, SettingDefinition, UpdateMode, ValueRange, ValueType } from '../definition.js'

export interface RowExtras extends ValueRange {
  /** Left out: read-only for a broker setting. */
  readonly dynamic?: UpdateMode
  readonly internal?: boolean
  /** True: the setting changes what a node does. Left out: known, and warned about when set. */
  readonly acted?: boolean
  readonly doc?: string
}

export function row(
  name: string,
  type: ValueType,
  initial: string | null,
  importance: Importance,
  extras: RowExtras = {},
): SettingDefinition {
  const { dynamic = 'read-only', internal = false, acted = false, doc = '', ...range } = extras
  return { name, type, default: initial, range, importance, mode: dynamic, internal, status: acted ? 'acted-on' : 'known', doc }
}
