// The throttle of moves under way, as Kafka's own tool sets it: a rate on each broker that gives or takes replicas, and on each topic the lists of
// replicas that it holds for. `kafka-reassign-partitions --verify` removes it as well.

import { rowsByTopic } from '../../model/topic-partition.js'
import type { AdminPort } from '../client.js'
import type { Move } from './plan.js'

const SIDES = ['leader', 'follower'] as const

/** The value of a topic's two lists: whoever has a replica now may lead it, whoever gets one follows. Pure. */
export function throttledReplicas(moves: readonly Move[]): { readonly leader: string; readonly follower: string } {
  const pairs = (idsOf: (move: Move) => readonly number[]): string =>
    moves.flatMap((move) => idsOf(move).map((id) => `${move.partition}:${id}`)).join(',')
  return { leader: pairs(({ from }) => from), follower: pairs(({ from, to }) => to.filter((id) => !from.includes(id))) }
}

export async function setThrottle(port: AdminPort, moves: readonly Move[], bytesPerSecond: number): Promise<void> {
  const rates = SIDES.map((side) => ({ name: rate(side), operation: 'set' as const, value: String(bytesPerSecond) }))
  for (const id of brokersOf(moves)) await port.alterConfigs('broker', String(id), rates, false)
  for (const [topic, its] of rowsByTopic(moves)) {
    const lists = throttledReplicas(its)
    const changes = SIDES.map((side) => ({ name: replicas(side), operation: 'set' as const, value: lists[side] }))
    await port.alterConfigs('topic', topic, changes, false)
  }
}

export async function liftThrottle(port: AdminPort, moves: readonly Move[]): Promise<void> {
  const lists = SIDES.map((side) => ({ name: replicas(side), operation: 'delete' as const, value: null }))
  for (const [topic] of rowsByTopic(moves)) await port.alterConfigs('topic', topic, lists, false)
  const rates = SIDES.map((side) => ({ name: rate(side), operation: 'delete' as const, value: null }))
  for (const id of brokersOf(moves)) await port.alterConfigs('broker', String(id), rates, false)
}

const rate = (side: string): string => `${side}.replication.throttled.rate`
const replicas = (side: string): string => `${side}.replication.throttled.replicas`

function brokersOf(moves: readonly Move[]): Set<number> {
  return new Set(moves.flatMap(({ from, to }) => [...from, ...to]))
}
