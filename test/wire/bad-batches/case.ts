// What a case of the table is: one or several produce requests to one partition, and which topic they go to.

export type TopicKind = 'plain' | 'compact' | 'small' | 'narrowTime' | 'appendTime' | 'gzipTopic' | 'zstdTopic'

export interface Step {
  readonly records: Buffer | null
  readonly version?: number
  readonly acks?: number
  readonly partition?: number
  /** A topic that does not exist, instead of the case's. */
  readonly topic?: string
  readonly transactionalId?: string
}

export interface Case {
  readonly name: string
  readonly topic?: TopicKind
  /** Why the answer is recorded but not compared. */
  readonly notCompared?: string
  /** Kafka takes it, but no reader gets it back as it was sent: refusing it as corrupt or invalid passes too. */
  readonly mayRefuse?: true
  /** `pid` is a fresh idempotent producer id, `pid2` another. */
  readonly steps: (pid: bigint, pid2: bigint) => readonly Step[]
}
