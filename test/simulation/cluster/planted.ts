// Known bugs of this field, put into a simulated node on purpose: each must be found. They are put over the instances of one run, so that no
// switch for them is in the product.

import type { ZnodeClient } from '../../../src/ensemble/znode-client.js'
import { CONTROLLER_EPOCH } from '../../../src/controller/paths.js'
import type { HostedPartition } from '../../../src/replica/hosted-partition.js'
import type { FollowerProgress } from '../../../src/replica/partition/follower-progress.js'
import { sealCrc } from '../../log/support.js'

export const PLANTED = [
  /** A follower of a new leader cuts its log to its own high watermark instead of where the histories part (Kafka before KIP-101). */
  'truncateToHighWatermark',
  /** Leaders take acks=all whatever the size of the in-sync set. */
  'ackBelowMinIsr',
  /** Writes of a controller check neither the controller epoch nor the version of what they replace. */
  'controllerNotFenced',
  /** A replica outside the in-sync set may be elected. */
  'staleReplicaElected',
  /** The high watermark does not wait for whom a proposal in flight would add. */
  'watermarkIgnoresProposal',
  /** The high watermark waits for nobody. */
  'watermarkIgnoresFollowers',
  /** A follower appends what comes without looking at checksums. */
  'appendsUnchecked',
  /** A broker whose machine failed comes back as if its process had ended. */
  'forgetsLostWrites',
  /** A broker whose disk was replaced comes back as if it had what was on the old one. */
  'forgetsLostDirs',
  /** A node that comes back leads what its former life led, before the controller has taken the new one up. */
  'leadsBeforeAccepted',
  /** On the `disk` promise the page cache counts. */
  'ackBeforeFsync',
  /** A producer's sequence numbers are not looked at. */
  'sequencesNotChecked',
  /** A replica that is to go drops its log at once, and not when those that come have caught up. */
  'dropsBeforeCaughtUp',
  /** A group coordinator answers when its own log has the records, before the in-sync set does. */
  'commitAnsweredEarly',
  /** A group coordinator that has lost its partition goes on answering from what it knows. */
  'staleCoordinatorAnswers',
  /** A new group coordinator answers before it has read its log. */
  'answersBeforeLoaded',
  /** A new group coordinator reads to where its high watermark is, not to where its log ends. */
  'loadsToWatermark',
  /** A group coordinator takes commits of any generation. */
  'generationNotChecked',
] as const
export type Planted = (typeof PLANTED)[number]

export function plantInPartition(planted: Planted | undefined, hosted: HostedPartition): void {
  const { state, log } = hosted
  if (planted === 'truncateToHighWatermark') {
    const become = hosted.becomeWhatControllerSays.bind(hosted)
    hosted.becomeWhatControllerSays = (decision, now) => {
      const epoch = state.leaderEpoch
      const changed = become(decision, now)
      if (changed && state.role === 'follower' && state.leaderEpoch > epoch && state.highWatermark < log.logEndOffset)
        hosted.truncate(state.highWatermark)
      return changed
    }
  }
  if (planted === 'watermarkIgnoresProposal') Object.assign(state, { isWaitedFor: (follower: FollowerProgress) => follower.inSync })
  if (planted === 'watermarkIgnoresFollowers') Object.assign(state, { isWaitedFor: () => false })
  if (planted === 'ackBeforeFsync') state.promise = 'process'
  if (planted === 'appendsUnchecked') {
    hosted.appendReplicated = (records) => {
      const { errorCode } = log.appendAsFollower(records, true)
      return { errorCode, size: errorCode === 0 ? records.length : 0, corrupt: undefined }
    }
  }
  if (planted === 'sequencesNotChecked') {
    const append = log.appendAsLeader.bind(log)
    log.appendAsLeader = (records, epoch, _origin, version) => append(withoutProducer(records), epoch, 'client', version)
  }
}

/** Producer id, epoch and sequence of the batch header (bytes 43 to 57) as those of a producer that is not idempotent. */
function withoutProducer(records: Uint8Array): Uint8Array {
  records.fill(0xff, 43, 57)
  sealCrc(records)
  return records
}

export function plantInSession(planted: Planted | undefined, client: ZnodeClient): ZnodeClient {
  if (planted !== 'controllerNotFenced') return client
  const multi = client.multi.bind(client)
  client.multi = (ops) => {
    if (ops[0]?.kind !== 'check' || ops[0].path !== CONTROLLER_EPOCH) return multi(ops)
    return multi(ops.slice(1).map((op) => (op.kind === 'setData' ? { ...op, version: -1 } : op)))
  }
  return client
}
