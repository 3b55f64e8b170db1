// ZooKeeper's error codes and the opcodes of its client protocol. Numbers are facts of the protocol. Imports nothing.

export const ZkCode = {
  ok: 0,
  /** The server could not do it, and did not. */
  systemError: -1,
  /** In a failed `multi`: what stands after the operation that failed. */
  runtimeInconsistency: -2,
  connectionLoss: -4,
  /** The server could not read the request. */
  marshallingError: -5,
  unimplemented: -6,
  operationTimeout: -7,
  badArguments: -8,
  newConfigNoQuorum: -13,
  reconfigInProgress: -14,
  noNode: -101,
  noAuth: -102,
  badVersion: -103,
  noChildrenForEphemerals: -108,
  nodeExists: -110,
  notEmpty: -111,
  sessionExpired: -112,
  invalidCallback: -113,
  invalidAcl: -114,
  authFailed: -115,
  sessionMoved: -118,
  notReadOnly: -119,
  noWatcher: -121,
  reconfigDisabled: -123,
  quotaExceeded: -125,
  throttledOp: -127,
} as const
export type ZkCode = (typeof ZkCode)[keyof typeof ZkCode]

const names = new Map<number, string>(Object.entries(ZkCode).map(([name, code]) => [code, name]))

export function zkCodeName(code: number): string {
  return names.get(code) ?? `code ${code}`
}

/** ZooKeeper's opcodes; the transaction log stores the same numbers for the writes. */
export const Opcode = {
  create: 1,
  delete: 2,
  exists: 3,
  getData: 4,
  setData: 5,
  getAcl: 6,
  setAcl: 7,
  getChildren: 8,
  sync: 9,
  ping: 11,
  getChildren2: 12,
  check: 13,
  multi: 14,
  create2: 15,
  reconfig: 16,
  checkWatches: 17,
  removeWatches: 18,
  createContainer: 19,
  deleteContainer: 20,
  createTtl: 21,
  multiRead: 22,
  auth: 100,
  setWatches: 101,
  sasl: 102,
  getEphemerals: 103,
  getAllChildrenNumber: 104,
  setWatches2: 105,
  addWatch: 106,
  whoAmI: 107,
  createSession: -10,
  closeSession: -11,
  /** Ours: ZooKeeper keeps owners in its leader's memory only. */
  moveSession: -100,
} as const
