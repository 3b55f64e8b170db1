// Session ids in ZooKeeper's form: the member's number in the top byte, then the start time, so that ids do not repeat
// across restarts. Pure.

export const MAX_MEMBER_ID = 254

/** The first id a member gives out in a life that starts at `wallNow`, above every id of its own in `used`. */
export function firstSessionId(memberId: number, wallNow: number, used: Iterable<bigint>): bigint {
  let id = BigInt.asIntN(64, (BigInt(memberId) << 56n) | ((BigInt(wallNow) << 16n) & 0x00ff_ffff_ffff_ffffn))
  for (const other of used) if (other >= id && other >> 56n === id >> 56n) id = other + 1n
  return id
}

/** The number of the member that gave the id out. */
export function memberOf(sessionId: bigint): number {
  return Number((sessionId >> 56n) & 0xffn)
}
