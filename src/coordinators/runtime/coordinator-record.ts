// What a coordinator stores and where: records (key, value or tombstone) and the door to the partition that keeps them.
// Interfaces only; the worker that owns the partition implements `PartitionWriter`.

export interface CoordinatorRecord {
  readonly key: Uint8Array
  /** Null: a tombstone. */
  readonly value: Uint8Array | null
}

export interface AppendResult {
  readonly errorCode: number
  /**
   * The batch's base offset, or -1 when the batch is certainly not in the log. With an error and an offset its fate is
   * unknown (it may still be committed): the shard then forgets its state and loads again.
   */
  readonly offset: number
}

export interface PartitionWriter {
  /** Appends one record batch (magic 2; offsets are assigned by the log) and resolves once it is committed, i.e. below the high watermark. */
  append(batch: Uint8Array): Promise<AppendResult>
  /** The stored batches from the log start offset to the high watermark, in order; one chunk may hold several whole batches. */
  load(): AsyncIterable<Uint8Array>
}

/** The state that a shard's records describe. Only `replay` and `reset` change it. */
export interface ReplayTarget {
  /** Back to nothing, before a load. */
  reset(): void
  replay(record: CoordinatorRecord): void
  /** Every stored record has been replayed: timers may start. */
  onLoaded(): void
  /** The shard stops (or starts over): answer what is parked with `errorCode`. */
  onUnloaded(errorCode: number): void
}
