// What the directory of a member of several holds, and the state machine that starts from it. Reads synchronously, on the caller's thread.

import type { Env } from '../../env/env.js'
import { DEFAULT_TICK_MS } from '../ensemble-server.js'
import { firstSessionId } from '../session/session-ids.js'
import type { StoreDisk } from '../store/disk.js'
import { MemberStore, type WhenFull } from '../store/member-store.js'
import { sessionOf } from '../store/txn-codec.js'
import type { ZnodeTree } from '../tree/znode-tree.js'
import type { EnsembleConfig } from './config.js'
import type { HardState, Planted } from './core.js'
import { epochOf, LogWindow } from './log-window.js'
import { QuorumMachine } from './machine.js'
import { configIn, configOf } from './payload.js'

export interface MemberRecoveryOptions {
  readonly dir: string
  readonly env: Env
  /** 0 to 254. */
  readonly memberId: number
  /** Who is in the ensemble, until a reconfiguration says otherwise (it is in the tree then, and counts). */
  readonly config: EnsembleConfig
  /** ZooKeeper's tickTime, initLimit and syncLimit. */
  readonly tickMs?: number
  readonly initLimit?: number
  readonly syncLimit?: number
  readonly snapshotAfterBytes?: number
  /** Bytes of agreed entries kept for members that come back; those further behind get a snapshot. */
  readonly windowBytes?: number
  readonly planted?: Planted
}

export interface RecoveredMember {
  readonly store: MemberStore
  /** What is known to be agreed; what lies behind it in the log is the machine's. */
  readonly tree: ZnodeTree
  readonly machine: QuorumMachine
  /** The first session id that no session of this member had. */
  readonly firstId: bigint
}

export function recoverMember(options: MemberRecoveryOptions, disk: StoreDisk, whenFull: WhenFull): RecoveredMember {
  const { dir, env, memberId, planted, snapshotAfterBytes, windowBytes } = options
  const { store, tree, tail, epochs } = MemberStore.openWithTail({
    dir,
    logger: env.logger,
    ...(snapshotAfterBytes === undefined ? {} : { snapshotAfterBytes }),
    disk,
    whenFull,
    trustsCache: planted?.trustsCache === true,
  })
  const entries = tail.map(({ zxid, payload }) => ({ zxid, payload, config: configOf(payload), origin: null }))
  const log = new LogWindow(tree.lastZxid, entries)
  // A directory of an ensemble of one has history and no promises: its history is its epoch.
  const epoch = epochOf(log.last)
  const hard: HardState = epochs ?? { acceptedEpoch: epoch, acceptedFrom: -1, currentEpoch: epoch }
  const machine = new QuorumMachine({
    id: memberId,
    config: configIn(tree) ?? options.config,
    hard,
    log,
    timing: { tickMs: options.tickMs ?? DEFAULT_TICK_MS, initLimit: options.initLimit ?? 10, syncLimit: options.syncLimit ?? 5 },
    ...(planted === undefined ? {} : { planted }),
    ...(windowBytes === undefined ? {} : { windowBytes }),
  })
  const used = [...tree.sessions.keys(), ...entries.map(({ payload }) => sessionOf(payload))]
  return { store, tree, machine, firstId: firstSessionId(memberId, env.clock.now(), used) }
}
