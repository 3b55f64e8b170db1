// The in-sync set of a partition as its leader sees it, with the change that is in flight to the controller. Pure.
//
//   settled ──propose──▶ in flight ──accepted──▶ settled (the new set)
//                            │──refused: not attempted, ineligible──▶ settled (the old set); the next one after a pause
//                            │──stale, fenced, unknown──▶ superseded: waits for the metadata that made it so
//                            └──fate unknown──▶ in flight: the SAME proposal is sent again
//
// While a change is in flight either set may be the true one, so what is committed must be on the members of both (`maximal`).

import { errors } from '../../model/errors.js'
import type { IsrAnswer, IsrProposal } from './leader-and-isr.js'

/** Refusals after which the old set is the true one: the controller looks at the partition epoch first, so it had not taken it before either. */
const NOT_DONE: ReadonlySet<number> = new Set([errors.OPERATION_NOT_ATTEMPTED.code, errors.INELIGIBLE_REPLICA.code])
/** Refusals that say our picture is old (or the request can never succeed): metadata will tell. */
const SUPERSEDED: ReadonlySet<number> = new Set([
  errors.UNKNOWN_TOPIC_OR_PARTITION.code,
  errors.UNKNOWN_TOPIC_ID.code,
  errors.FENCED_LEADER_EPOCH.code,
  errors.INVALID_UPDATE_VERSION.code,
  errors.INVALID_REQUEST.code,
  errors.NEW_LEADER_ELECTED.code,
])

export type IsrVerdict = 'settled' | 'waiting' | 'again' | 'ignored'

export class InSyncSet {
  private committed: readonly number[] = []
  private proposal: IsrProposal | undefined
  private largest: readonly number[] = []

  get members(): readonly number[] {
    return this.committed
  }

  /** Members of the committed set or of the one proposed. */
  get maximal(): readonly number[] {
    return this.largest
  }

  get inFlight(): IsrProposal | undefined {
    return this.proposal
  }

  commit(members: readonly number[]): void {
    this.committed = members
    this.largest = members
    this.proposal = undefined
  }

  /** At most one at a time. */
  propose(proposal: IsrProposal): void {
    this.proposal = proposal
    const added = proposal.newIsr.map(({ id }) => id).filter((id) => !this.committed.includes(id))
    this.largest = added.length === 0 ? this.committed : [...this.committed, ...added]
  }

  /** 'settled' with `accepted`: the caller takes the answer's state over. */
  answered(proposal: IsrProposal, answer: IsrAnswer): IsrVerdict {
    if (this.proposal !== proposal) return 'ignored'
    if (answer.errorCode === errors.NONE.code) return 'settled'
    if (NOT_DONE.has(answer.errorCode)) {
      this.commit(this.committed)
      return 'settled'
    }
    return SUPERSEDED.has(answer.errorCode) ? 'waiting' : 'again'
  }
}
