// Control records: a transaction marker or a leader change inside a control batch. The key is an int16 version and an int16 type
// (controlRecordTypes); the value opens with an int16 version which is not part of the tables, save that of LeaderChangeMessage, which
// carries it as a field. AbortedTxn is an entry of a .txnindex file.

import { array, int16, int32, int64, message, uuid } from './dsl.js'
import type { MessageOf } from './dsl.js'

export const controlRecordTypeSchema = message('ControlRecordTypeSchema', '0', 'none', {
  type: int16('0+'),
})
export type ControlRecordTypeSchema = MessageOf<typeof controlRecordTypeSchema>

export const endTxnMarker = message('EndTxnMarker', '0', 'none', {
  coordinatorEpoch: int32('0+'),
})
export type EndTxnMarker = MessageOf<typeof endTxnMarker>

const voter = {
  voterId: int32('0+'),
  voterDirectoryId: uuid('1+'),
}

export const leaderChangeMessage = message('LeaderChangeMessage', '0-1', '0+', {
  version: int16('0+'),
  leaderId: int32('0+'),
  voters: array('0+', voter),
  grantingVoters: array('0+', voter),
})
export type LeaderChangeMessage = MessageOf<typeof leaderChangeMessage>

export const abortedTxn = message('AbortedTxn', '0', 'none', {
  producerId: int64('0+'),
  firstOffset: int64('0+'),
  lastOffset: int64('0+'),
  lastStableOffset: int64('0+'),
})
export type AbortedTxn = MessageOf<typeof abortedTxn>

export const controlRecordTypes = {
  abort: 0,
  commit: 1,
  leaderChange: 2,
  snapshotHeader: 3,
  snapshotFooter: 4,
  kraftVersion: 5,
  kraftVoters: 6,
} as const
