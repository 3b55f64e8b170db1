// One change of one partition's state, with everything that follows from it: reassignment that is complete, eligible
// leader replicas, the leader, the epochs. Pure. The rules are those of Kafka's controller with ELR (KIP-966), with
// one difference of form: the ISR is never empty. Where Kafka moves the last members out of the ISR into the ELR,
// here they stay in it while nobody leads; the set of replicas that may lead is the same.
//
// - partitionEpoch rises with every change. leaderEpoch rises when the leader changes (to none as well) and when
//   replicas leave the assignment; never for a change of the ISR alone.
// - A leader comes from the ISR, in the order of the assignment; if none of the ISR can lead, from the ELR; and only
//   where unclean elections are allowed, from the rest, which makes it the whole ISR.
// - The ELR is what left the ISR since that fell below min ISR. While it is below, the leader commits nothing, so
//   every member of ISR and ELR has all that is committed. It ends when the ISR has min ISR again.
// - Who left because its log failed (an I/O error, a failed fsync) is not eligible: the page cache may have forgotten
//   what the disk never took. But it may well have everything, so it is last known eligible, whether it is back or not,
//   and takes the place of the last in sync where that comes back from a power loss. Where nothing counted before it was
//   on the disk it stays eligible. Kafka keeps it in the ELR until its broker is back from an unclean stop, and then
//   elects whoever led last.

import type { PartitionImage } from './image.js'

export interface PartitionContext {
  /** May lead, and be in sync. */
  isActive(broker: number): boolean
  /** May go on leading what nobody else can lead: also a broker that is stopping. */
  isServing(broker: number): boolean
  readonly minIsr: number
  readonly uncleanElection: boolean
  /** Nothing counted before it was on the disk: a failed fsync has cost a replica nothing that did. */
  readonly alwaysSynced: boolean
}

export interface ChangeRequest {
  /** `online`: the leader stays if it can. Default. */
  readonly election?: 'online' | 'preferred' | 'unclean'
  readonly isr?: readonly number[]
  readonly replicas?: readonly number[]
  readonly adding?: readonly number[]
  readonly removing?: readonly number[]
  readonly offline?: readonly number[]
  /** Replicas that may have lost what they had: neither in sync nor eligible while anybody else is. */
  readonly lost?: ReadonlySet<number>
  /** Replicas with a damaged log. They are cut once nobody counts on them, so none is eligible in any way. */
  readonly damaged?: ReadonlySet<number>
  readonly recovering?: boolean
  /** The leader stays, under a new epoch. */
  readonly raiseLeaderEpoch?: boolean
  /** Min ISR is being changed: what was eligible under the old one need not be. */
  readonly forgetElr?: boolean
}

/** Whether a broker may lead a partition and be in sync with it, of whose replicas `offline` cannot be used. */
export function usableIn(context: PartitionContext, offline: readonly number[]): (broker: number) => boolean {
  return (broker) => context.isActive(broker) && !offline.includes(broker)
}

interface Target {
  replicas: readonly number[]
  isr: readonly number[]
  adding: readonly number[]
  removing: readonly number[]
  offline: readonly number[]
  elr: readonly number[]
  lastKnownElr: readonly number[]
}

const NONE: readonly number[] = []
const NO_LEADER = -1

/** The state after `request`; `state` itself when nothing changes. */
export function changePartition(state: PartitionImage, request: ChangeRequest, context: PartitionContext): PartitionImage {
  const target = targetOf(state, request, context)
  completeReassignment(target, context)
  setElr(state, target, request, context)
  const elected = elect(state, target, request, context)
  const recovering = elected.unclean || (request.recovering ?? (state.recovering && elected.leader === state.leader))
  const shrinks = state.replicas.some((replica) => !target.replicas.includes(replica))
  const raised = elected.leader !== state.leader || shrinks || request.raiseLeaderEpoch === true
  const next: PartitionImage = {
    partition: state.partition,
    replicas: target.replicas,
    isr: target.isr,
    addingReplicas: target.adding,
    removingReplicas: target.removing,
    leader: elected.leader,
    leaderEpoch: state.leaderEpoch + (raised ? 1 : 0),
    partitionEpoch: state.partitionEpoch + 1,
    elr: target.elr,
    lastKnownElr: target.lastKnownElr,
    offline: target.offline,
    recovering,
  }
  return isSame(state, next) ? state : next
}

function targetOf(state: PartitionImage, request: ChangeRequest, context: PartitionContext): Target {
  const replicas = request.replicas ?? state.replicas
  const target: Target = {
    replicas,
    isr: NONE,
    adding: request.adding ?? state.addingReplicas,
    removing: request.removing ?? state.removingReplicas,
    offline: without(request.offline ?? state.offline, (broker) => !replicas.includes(broker)),
    elr: request.forgetElr ? NONE : without(state.elr, (broker) => !replicas.includes(broker)),
    lastKnownElr: request.forgetElr ? NONE : without(state.lastKnownElr, (broker) => !replicas.includes(broker)),
  }
  target.isr = isrOf(state, target, request, context)
  return target
}

/** What is asked for, without those that may have lost records; if that leaves none, the best that is left: never nobody. */
function isrOf(state: PartitionImage, target: Target, request: ChangeRequest, context: PartitionContext): readonly number[] {
  const { lost } = request
  const wanted = without(request.isr ?? state.isr, (broker) => !target.replicas.includes(broker) || lost?.has(broker) === true)
  if (wanted.length > 0) return wanted
  const assigned = without(state.isr, (broker) => !target.replicas.includes(broker))
  const whole = without(assigned, (broker) => lost?.has(broker) === true)
  const usable = whole.filter((broker) => context.isServing(broker) && !target.offline.includes(broker))
  if (usable.length > 0) return usable
  const sound = without(whole, (broker) => target.offline.includes(broker))
  if (sound.length > 0) return sound
  if (whole.length > 0) return whole
  const eligible = without(target.elr, (broker) => lost?.has(broker) === true)
  if (eligible.length > 0) return eligible
  const failed = without(target.lastKnownElr, (broker) => lost?.has(broker) === true)
  if (failed.length > 0) return failed
  // All that is left may have lost something: the last in sync is still the best there is.
  return assigned.length > 0 ? assigned : target.replicas.slice(0, 1)
}

/**
 * All added replicas are in sync, and without those to be removed as many as min ISR are: those leave the assignment and the ISR. Kafka asks for one that
 * stays in sync only, which may be one that has just died, with the only copies of acknowledged records on those that go.
 */
function completeReassignment(target: Target, context: PartitionContext): void {
  if (target.adding.length === 0 && target.removing.length === 0) return
  const replicas = without(target.replicas, (broker) => target.removing.includes(broker))
  const isr = without(target.isr, (broker) => !replicas.includes(broker))
  if (isr.length < leastInSync(context, replicas) || !target.adding.every((broker) => isr.includes(broker))) return
  target.replicas = replicas
  target.isr = isr
  target.adding = NONE
  target.removing = NONE
  target.offline = without(target.offline, (broker) => !replicas.includes(broker))
  target.elr = without(target.elr, (broker) => !replicas.includes(broker))
  target.lastKnownElr = without(target.lastKnownElr, (broker) => !replicas.includes(broker))
}

/** Min ISR, as far as there are so many replicas. */
export function leastInSync({ minIsr }: PartitionContext, replicas: readonly number[]): number {
  return Math.max(1, Math.min(minIsr, replicas.length))
}

function setElr(state: PartitionImage, target: Target, request: ChangeRequest, context: PartitionContext): void {
  if (target.isr.length >= Math.min(context.minIsr, target.replicas.length)) {
    target.elr = NONE
    target.lastKnownElr = NONE
    return
  }
  const inAssignment = (brokers: readonly number[]) => brokers.filter((broker) => target.replicas.includes(broker))
  const before = request.forgetElr ? [] : inAssignment(union(state.elr, state.isr))
  const gone = (broker: number): boolean =>
    target.isr.includes(broker) || request.lost?.has(broker) === true || request.damaged?.has(broker) === true
  const left = before.filter((broker) => !gone(broker))
  const keeps = staysEligible(context, target.offline)
  target.elr = sameOr(target.elr, left.filter(keeps))
  const failed = left.filter((broker) => !keeps(broker))
  target.lastKnownElr = sameOr(
    target.lastKnownElr,
    union(
      target.lastKnownElr.filter((broker) => !gone(broker)),
      failed,
    ),
  )
}

/** Whether a failed log, which makes a replica one of `offline`, leaves it eligible. */
function staysEligible(context: PartitionContext, offline: readonly number[]): (broker: number) => boolean {
  return (broker) => context.alwaysSynced || !offline.includes(broker)
}

interface Elected {
  readonly leader: number
  readonly unclean: boolean
}

function elect(state: PartitionImage, target: Target, request: ChangeRequest, context: PartitionContext): Elected {
  const usable = usableIn(context, target.offline)
  const inSync = target.replicas.filter((broker) => target.isr.includes(broker) && usable(broker))
  const leader = leaderFrom(state, target, request, inSync)
  if (leader !== NO_LEADER) return { leader, unclean: false }
  // It is stopping, and nobody else could go on.
  if (canStay(state.leader, target, context)) return { leader: state.leader, unclean: false }
  const eligible = target.replicas.find((broker) => target.elr.includes(broker) && usable(broker))
  if (eligible !== undefined) {
    electEligible(target, eligible, request, context)
    return { leader: eligible, unclean: false }
  }
  // Who asks for the preferred leader does not ask to lose records for it.
  const uncleanly = request.election === 'unclean' || (context.uncleanElection && request.election !== 'preferred')
  const any = uncleanly ? target.replicas.find(usable) : undefined
  if (any === undefined) return { leader: NO_LEADER, unclean: false }
  target.isr = [any]
  target.elr = NONE
  target.lastKnownElr = NONE
  return { leader: any, unclean: true }
}

function electEligible(target: Target, eligible: number, request: ChangeRequest, context: PartitionContext): void {
  const { isr, offline } = target
  target.isr = [eligible]
  if (target.isr.length >= Math.min(context.minIsr, target.replicas.length)) {
    target.elr = NONE
    target.lastKnownElr = NONE
    return
  }
  const sound = without(isr, (broker) => request.damaged?.has(broker) === true)
  const keeps = staysEligible(context, offline)
  target.elr = union(
    without(target.elr, (broker) => broker === eligible),
    sound.filter(keeps),
  )
  target.lastKnownElr = union(target.lastKnownElr, without(sound, keeps))
}

function leaderFrom(state: PartitionImage, target: Target, request: ChangeRequest, inSync: readonly number[]): number {
  const preferred = target.replicas[0]!
  if (request.election === 'preferred' && inSync.includes(preferred)) return preferred
  if (inSync.includes(state.leader)) return state.leader
  return inSync[0] ?? NO_LEADER
}

function canStay(leader: number, target: Target, context: PartitionContext): boolean {
  return leader !== NO_LEADER && target.isr.includes(leader) && !target.offline.includes(leader) && context.isServing(leader)
}

function without(list: readonly number[], drop: (broker: number) => boolean): readonly number[] {
  return list.some(drop) ? list.filter((broker) => !drop(broker)) : list
}

function union(a: readonly number[], b: readonly number[]): readonly number[] {
  return b.every((broker) => a.includes(broker)) ? a : [...a, ...b.filter((broker) => !a.includes(broker))]
}

function sameOr(old: readonly number[], list: readonly number[]): readonly number[] {
  return isSameSet(old, list) ? old : list
}

function isSameSet(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((broker) => b.includes(broker))
}

function isSameList(a: readonly number[], b: readonly number[]): boolean {
  return a === b || (a.length === b.length && a.every((broker, i) => broker === b[i]))
}

function isSame(a: PartitionImage, b: PartitionImage): boolean {
  return (
    a.leader === b.leader &&
    a.leaderEpoch === b.leaderEpoch &&
    a.recovering === b.recovering &&
    isSameList(a.replicas, b.replicas) &&
    isSameSet(a.isr, b.isr) &&
    isSameSet(a.addingReplicas, b.addingReplicas) &&
    isSameSet(a.removingReplicas, b.removingReplicas) &&
    isSameSet(a.elr, b.elr) &&
    isSameSet(a.lastKnownElr, b.lastKnownElr) &&
    isSameSet(a.offline, b.offline)
  )
}
