// Kafka's resource types as numbers and as our kinds, for the handlers of the config APIs. Pure.

import type { ConfigResourceKind } from '../../controller/image.js'

const KINDS: readonly (readonly [number, ConfigResourceKind])[] = [
  [2, 'topic'],
  [4, 'broker'],
  [8, 'broker-logger'],
  [16, 'client-metrics'],
  [32, 'group'],
]

export function kindOfResource(type: number): ConfigResourceKind | undefined {
  return KINDS.find(([number]) => number === type)?.[1]
}

export function typeOfResource(kind: ConfigResourceKind): number {
  return KINDS.find(([, each]) => each === kind)![0]
}

/** What is wrong with a broker's name in a request that reached node `nodeId`; '' means all brokers. */
export function brokerNameProblem(name: string, nodeId: number): string | null {
  if (name === '') return null
  if (!/^-?\d+$/.test(name)) return `Broker id must be an integer, but it is: ${name}`
  return Number(name) === nodeId ? null : `Unexpected broker id, expected ${nodeId} or empty string, but received ${name}`
}
