// Why a consumer gets nothing: one reason per partition. Pure.

import type { PartitionState } from './subscription.js'

export type StallReason = 'paused' | 'no leader' | 'no position' | 'at the end' | 'fetch error' | 'waiting for data' | 'not polled'

export interface StallReport {
  /** Milliseconds without a record. */
  readonly sinceMs: number
  /** What holds for the consumer as a whole, e.g. that it waits for its group's coordinator. */
  readonly consumer: string | undefined
  readonly partitions: readonly {
    readonly topic: string
    readonly partition: number
    readonly reason: StallReason
    readonly detail: string
  }[]
}

/** What the consumer knows about itself when it reports. */
export interface StallContext {
  readonly now: number
  readonly sinceMs: number
  /** Milliseconds since the user last polled. */
  readonly polledMsAgo: number
  /** The group's state when it is not simply a member, e.g. `waiting for the coordinator of group g: …`. */
  readonly group: string | undefined
  readonly subscribed: boolean
  leader(topic: string, partition: number): number
}

const NOT_POLLED_MS = 1000

export function stallReport(states: Iterable<PartitionState>, context: StallContext): StallReport {
  const partitions = [...states].map((state) => ({ topic: state.topic, partition: state.partition, ...reasonFor(state, context) }))
  let consumer = context.group
  if (consumer === undefined && partitions.length === 0)
    consumer = context.subscribed ? 'the group has assigned no partition to this member' : undefined
  return { sinceMs: context.sinceMs, consumer, partitions }
}

function reasonFor(state: PartitionState, context: StallContext): { reason: StallReason; detail: string } {
  if (state.paused) return { reason: 'paused', detail: 'resume() it to go on' }
  if (context.leader(state.topic, state.partition) < 0)
    return { reason: 'no leader', detail: state.lastError ?? 'the partition has no leader now' }
  if (state.position < 0) return { reason: 'no position', detail: state.lastError ?? 'its starting offset is being looked up' }
  if (state.lastError !== undefined) return { reason: 'fetch error', detail: state.lastError }
  if (context.polledMsAgo > Math.max(NOT_POLLED_MS, context.sinceMs / 2)) {
    return { reason: 'not polled', detail: `the last poll was ${Math.round(context.polledMsAgo)} ms ago` }
  }
  if (state.endOffset >= 0 && state.position >= state.endOffset)
    return { reason: 'at the end', detail: `position ${state.position} is the end` }
  return { reason: 'waiting for data', detail: `position ${state.position}, end ${state.endOffset < 0 ? 'not known' : state.endOffset}` }
}

/** One line for people. */
export function stallText(report: StallReport): string {
  const byReason = new Map<string, number>()
  for (const { reason } of report.partitions) byReason.set(reason, (byReason.get(reason) ?? 0) + 1)
  const parts = [...byReason].map(([reason, count]) => `${count} ${reason}`)
  return `no record for ${Math.round(report.sinceMs)} ms: ${[report.consumer, ...parts].filter((part) => part !== undefined).join('; ')}`
}
