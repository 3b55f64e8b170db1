// ZooKeeper's error codes and the opcodes of its client protocol. Numbers are facts of the protocol. Imports nothing.

export const ZkCode = {
  ok: 0,
  /** In a failed `multi`: what stands after the operation that failed. */
  runtimeInconsistency: -2,
  connectionLoss: -4,
  unimplemented: -6,
  operationTimeout: -7,
  badArguments: -8,
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
} as const
export type ZkCode = (typeof ZkCode)[keyof typeof ZkCode]

const names = new Map<number, string>(Object.entries(ZkCode).map(([name, code]) => [code, name]))

export function zkCodeName(code: number): string {
  return names.get(code) ?? `code ${code}`
}

/** Opcodes of the write operations, as on ZooKeeper's wire; the transaction log stores the same numbers. */
export const Opcode = {
  create: 1,
  delete: 2,
  setData: 5,
  setAcl: 7,
  check: 13,
  multi: 14,
  create2: 15,
  createContainer: 19,
  createTtl: 21,
  deleteContainer: 20,
  createSession: -10,
  closeSession: -11,
} as const
