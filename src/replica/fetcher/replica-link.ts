// How replication reaches other nodes. broker/ glues it to the link; tests to memory.

export interface FetchPart {
  readonly topicId: string
  readonly partition: number
  /** A `ReplicaFetchPart`. */
  readonly body: Uint8Array
}

export interface ReplicaLink {
  /**
   * Asks `leader`. Each part is answered on its own, as the leader has it, with a `ReplicaFetchAnswer`; null: it has no owner there, now or any
   * more. Resolves when all are answered; rejects when the link broke or time ran out: parts answered before stay answered, the others never
   * will be. A part may rightly wait as long as its `maxWaitMs` says: at most 2^IDLE_DOUBLINGS times replica.fetch.wait.max.ms.
   */
  fetch(leader: number, parts: readonly FetchPart[], onAnswer: (index: number, answer: Uint8Array | null) => void): Promise<void>
}
