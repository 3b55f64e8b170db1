// Where a node stands in a cluster. Plain data; a node that is alone needs none of it.

export interface Address {
  readonly host: string
  readonly port: number
}

export interface ClusterOptions {
  /** Where other nodes reach this one; null: nobody does. */
  readonly link: Address | null
  /** What they are told, where it differs. */
  readonly linkAdvertised: Address | null
  /** The voting members of the embedded ensemble; empty: this node alone. A node that is not named observes. */
  readonly members: readonly (Address & { readonly id: number })[]
  /** Where the other members reach this one; null: as its entry says. */
  readonly ensembleListener: Address | null
  /** Where ZooKeeper clients are served; null: nowhere. */
  readonly ensembleClient: Address | null
  /** `super:<base64 sha1>`: the ZooKeeper client that may do everything; null: none. */
  readonly superDigest: string | null
  readonly tickMs: number
  /** Connect string of an Apache ZooKeeper ensemble that stands in for the embedded one. */
  readonly zookeeper: string | null
  readonly sessionTimeoutMs: number
  /** How long a start waits for the ensemble. */
  readonly connectTimeoutMs: number
  /** What nodes prove to each other that they know; null: nothing is asked. */
  readonly secret: string | null
  readonly tls: { readonly keyFile: string; readonly certFile: string; readonly caFile?: string } | null
}

/** A node by itself, with an ensemble of one. */
export const ALONE: ClusterOptions = {
  link: null,
  linkAdvertised: null,
  members: [],
  ensembleListener: null,
  ensembleClient: null,
  superDigest: null,
  tickMs: 2000,
  zookeeper: null,
  sessionTimeoutMs: 9000,
  connectTimeoutMs: 18_000,
  secret: null,
  tls: null,
}
