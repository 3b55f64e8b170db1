// What nodes say to each other over links, by the number that a frame carries. The numbers are part of the protocol between versions.

export const LinkKind = {
  /** Worker of a follower → owner of the leader: `ReplicaFetchPart`, answered by `ReplicaFetchAnswer`. */
  replicaFetch: 1,
  /** Thread coordinator → thread coordinator of the controller: a call of the ControllerApi. */
  control: 2,
  /** Thread coordinator → thread coordinator of the ensemble's leader: what DescribeQuorum answers. */
  quorum: 3,
} as const
