// What controller and partition leader say to each other about one partition. Plain data; crosses threads and nodes.

/** The controller's decision. */
export interface LeaderAndIsr {
  /** -1: none. */
  readonly leader: number
  readonly leaderEpoch: number
  readonly isr: readonly number[]
  /** Out of the ISR, and may be elected all the same: what they have is counted on. Absent: none. */
  readonly eligible?: readonly number[]
  readonly replicas: readonly number[]
  /** Version of the partition's state: every change raises it, a new leader too. */
  readonly partitionEpoch: number
}

export interface IsrMember {
  readonly id: number
  /** The life of that broker which was seen to be in sync; -1n: not known (an older member of the ISR that has not fetched yet). */
  readonly brokerEpoch: bigint
}

/** A leader asks for another ISR (AlterPartition v3). It holds only on top of exactly this state. */
export interface IsrProposal {
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  readonly newIsr: readonly IsrMember[]
}

/** `errorCode` is Kafka's; the state is there when it is 0. */
export interface IsrAnswer {
  readonly errorCode: number
  readonly leaderEpoch: number
  readonly partitionEpoch: number
  readonly isr: readonly number[]
}

/** What a partition leader must know of other brokers. Reads the metadata image. */
export interface BrokerDirectory {
  /** The broker's registration epoch; undefined: fenced, stopping or gone, so not to be taken into an ISR. */
  liveEpochOf(id: number): bigint | undefined
  /** Of its newest registration that is known here, fenced or not. Absent: nobody registers. */
  registeredEpochOf?(id: number): bigint | undefined
  /** null: unknown, or it has none. */
  rackOf(id: number): string | null
  /** False: this node's session is not certain any more, and what is said of its leading may be over. Absent: nobody can elect another. */
  holdsLease?(): boolean
}

/** Knows nobody: no epoch is checked. For a node that is alone, and tests. */
export const anyBroker: BrokerDirectory = { liveEpochOf: () => -1n, rackOf: () => null }
