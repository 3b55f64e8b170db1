// What may be connected to this node: the settings, read once for the gate on the thread coordinator and for the workers, which
// need to know only whether there is any limit. Pure.

import type { ConfigStore } from './config/config-store.js'

/** Kafka's default of every one of them: no limit. */
const NO_LIMIT = 0x7fffffff

export interface AdmissionLimits {
  /** max.connections */
  readonly max: number
  /** max.connections.per.ip */
  readonly perAddress: number
  /** max.connections.per.ip.overrides, by address or host name. */
  readonly overrides: ReadonlyMap<string, number>
  /** max.connection.creation.rate: connections per second. */
  readonly rate: number
  /** Seconds of that rate that may come at once: what Kafka's windows (quota.window.num, quota.window.size.seconds) let through. */
  readonly burstSeconds: number
  /** `listener.name.NAME.max.connections` and `….max.connection.creation.rate`, by listener; NO_LIMIT where not set. */
  readonly listeners: ReadonlyMap<string, { readonly max: number; readonly rate: number }>
}

export function readAdmissionLimits(configs: ConfigStore, listeners: readonly string[]): AdmissionLimits {
  const scoped = (listener: string, name: string): number => {
    const full = `listener.name.${listener.toLowerCase()}.${name}`
    return configs.isSet(full) ? configs.getNumber(full) : NO_LIMIT
  }
  return {
    max: configs.getNumber('max.connections'),
    perAddress: configs.getNumber('max.connections.per.ip'),
    overrides: parseOverrides(configs.getList('max.connections.per.ip.overrides')),
    rate: configs.getNumber('max.connection.creation.rate'),
    burstSeconds: Math.max(1, (configs.getNumber('quota.window.num') - 1) * configs.getNumber('quota.window.size.seconds')),
    listeners: new Map(
      listeners.map((name) => [name, { max: scoped(name, 'max.connections'), rate: scoped(name, 'max.connection.creation.rate') }]),
    ),
  }
}

export function isLimit(value: number): boolean {
  return value < NO_LIMIT
}

export function anyLimit({ max, perAddress, overrides, rate, listeners }: AdmissionLimits): boolean {
  if (isLimit(max) || isLimit(perAddress) || isLimit(rate) || overrides.size > 0) return true
  for (const listener of listeners.values()) if (isLimit(listener.max) || isLimit(listener.rate)) return true
  return false
}

/** `address:count`; the last colon counts, so that IPv6 addresses need no brackets. */
function parseOverrides(items: readonly string[]): ReadonlyMap<string, number> {
  return new Map(
    items.map((item) => {
      const at = item.lastIndexOf(':')
      return [item.slice(0, at).replace(/^\[(.*)\]$/, '$1'), Number(item.slice(at + 1))]
    }),
  )
}
