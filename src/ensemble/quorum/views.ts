// What a member tells operators of the ensemble: who is in it, and how far each has come. Reads the state machine. Pure.

import type { LogView, MemberView, QuorumView } from '../ensemble-server.js'
import type { QuorumMachine } from './machine.js'

export function memberViews(machine: QuorumMachine, memberId: number): readonly MemberView[] {
  return machine.config.servers.map(({ id, host, port, voter, clientAddress }) => {
    const own = id === memberId
    const lastZxid = own ? machine.lastZxid : (machine.learner(id)?.match ?? -1n)
    return { id, host, port, voter, clientAddress, lastZxid, connected: own || machine.connected.has(id) }
  })
}

/** Null: another leads. */
export function quorumView(machine: QuorumMachine, memberId: number, now: number): QuorumView | null {
  if (machine.role !== 'leader') return null
  const known = new Set(machine.config.servers.map(({ id }) => id))
  const others = machine.learnerIds.filter((id) => !known.has(id)).map((id) => ({ id, host: '', port: 0, voter: false }))
  return {
    leaderId: memberId,
    epoch: machine.epoch,
    committed: machine.committed,
    logs: [...machine.config.servers, ...others].map((server) => logView(machine, memberId, server, now)),
  }
}

type Server = Omit<LogView, 'lastZxid' | 'heardAgoMs' | 'caughtUpAgoMs'>

function logView(machine: QuorumMachine, memberId: number, { id, host, port, voter }: Server, now: number): LogView {
  const server = { id, host, port, voter }
  if (id === memberId) return { ...server, lastZxid: machine.lastZxid, heardAgoMs: 0, caughtUpAgoMs: 0 }
  const progress = machine.progress(id)
  if (!progress) return { ...server, lastZxid: -1n, heardAgoMs: null, caughtUpAgoMs: null }
  const { match, heardAt, caughtUpAt } = progress
  return { ...server, lastZxid: match, heardAgoMs: now - heardAt, caughtUpAgoMs: caughtUpAt === null ? null : now - caughtUpAt }
}
