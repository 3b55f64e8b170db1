// The durable half of the group coordinator: what __consumer_offsets says. Only `replay` and `reset` change it; the volatile
// half (who waits, timers, members not yet in a generation) is in classic-group.ts and is rebuilt from this one. Pure.

import type { GroupRecord, OffsetAndMetadata, StoredGroup } from './record-format.js'

export type PartitionOffsets = Map<number, OffsetAndMetadata>

export class GroupStore {
  readonly groups = new Map<string, StoredGroup>()
  /** group → topic → partition → offset. No empty maps are kept. */
  readonly offsets = new Map<string, Map<string, PartitionOffsets>>()

  reset(): void {
    this.groups.clear()
    this.offsets.clear()
  }

  replay(record: GroupRecord): void {
    if (record.kind === 'group') {
      if (record.value === null) this.groups.delete(record.groupId)
      else this.groups.set(record.groupId, record.value)
    } else if (record.kind === 'offset') {
      if (record.value === null) this.removeOffset(record.groupId, record.topic, record.partition)
      else this.putOffset(record.groupId, record.topic, record.partition, record.value)
    }
  }

  offset(groupId: string, topic: string, partition: number): OffsetAndMetadata | undefined {
    return this.offsets.get(groupId)?.get(topic)?.get(partition)
  }

  topicsOf(groupId: string): ReadonlyMap<string, ReadonlyMap<number, OffsetAndMetadata>> {
    return this.offsets.get(groupId) ?? new Map<string, PartitionOffsets>()
  }

  private putOffset(groupId: string, topic: string, partition: number, value: OffsetAndMetadata): void {
    let topics = this.offsets.get(groupId)
    if (topics === undefined) this.offsets.set(groupId, (topics = new Map()))
    let partitions = topics.get(topic)
    if (partitions === undefined) topics.set(topic, (partitions = new Map()))
    partitions.set(partition, value)
  }

  private removeOffset(groupId: string, topic: string, partition: number): void {
    const topics = this.offsets.get(groupId)
    const partitions = topics?.get(topic)
    if (topics === undefined || partitions === undefined) return
    partitions.delete(partition)
    if (partitions.size === 0) topics.delete(topic)
    if (topics.size === 0) this.offsets.delete(groupId)
  }
}
