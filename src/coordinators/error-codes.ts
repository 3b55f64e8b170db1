// The protocol outcomes that coordinators return: numbers of model/errors.ts, as data, never thrown.

import { errors } from '../model/errors.js'

export const ErrorCode = {
  unknownServerError: errors.UNKNOWN_SERVER_ERROR.code,
  none: errors.NONE.code,
  unknownTopicOrPartition: errors.UNKNOWN_TOPIC_OR_PARTITION.code,
  notLeaderOrFollower: errors.NOT_LEADER_OR_FOLLOWER.code,
  requestTimedOut: errors.REQUEST_TIMED_OUT.code,
  messageTooLarge: errors.MESSAGE_TOO_LARGE.code,
  offsetMetadataTooLarge: errors.OFFSET_METADATA_TOO_LARGE.code,
  coordinatorLoadInProgress: errors.COORDINATOR_LOAD_IN_PROGRESS.code,
  coordinatorNotAvailable: errors.COORDINATOR_NOT_AVAILABLE.code,
  notCoordinator: errors.NOT_COORDINATOR.code,
  recordListTooLarge: errors.RECORD_LIST_TOO_LARGE.code,
  notEnoughReplicas: errors.NOT_ENOUGH_REPLICAS.code,
  notEnoughReplicasAfterAppend: errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND.code,
  illegalGeneration: errors.ILLEGAL_GENERATION.code,
  inconsistentGroupProtocol: errors.INCONSISTENT_GROUP_PROTOCOL.code,
  invalidGroupId: errors.INVALID_GROUP_ID.code,
  unknownMemberId: errors.UNKNOWN_MEMBER_ID.code,
  invalidSessionTimeout: errors.INVALID_SESSION_TIMEOUT.code,
  rebalanceInProgress: errors.REBALANCE_IN_PROGRESS.code,
  invalidCommitOffsetSize: errors.INVALID_COMMIT_OFFSET_SIZE.code,
  kafkaStorageError: errors.KAFKA_STORAGE_ERROR.code,
  nonEmptyGroup: errors.NON_EMPTY_GROUP.code,
  groupIdNotFound: errors.GROUP_ID_NOT_FOUND.code,
  memberIdRequired: errors.MEMBER_ID_REQUIRED.code,
  groupMaxSizeReached: errors.GROUP_MAX_SIZE_REACHED.code,
  fencedInstanceId: errors.FENCED_INSTANCE_ID.code,
  groupSubscribedToTopic: errors.GROUP_SUBSCRIBED_TO_TOPIC.code,
  unknownTopicId: errors.UNKNOWN_TOPIC_ID.code,
} as const

/** What a coordinator's client is told when the append of its records ended with `errorCode`, as Kafka translates it. */
export function coordinatorErrorForAppend(errorCode: number): number {
  switch (errorCode) {
    case ErrorCode.unknownTopicOrPartition:
    case ErrorCode.notEnoughReplicas:
    case ErrorCode.notEnoughReplicasAfterAppend:
    case ErrorCode.requestTimedOut:
      return ErrorCode.coordinatorNotAvailable
    case ErrorCode.notLeaderOrFollower:
    case ErrorCode.kafkaStorageError:
      return ErrorCode.notCoordinator
    case ErrorCode.messageTooLarge:
    case ErrorCode.recordListTooLarge:
      return ErrorCode.unknownServerError
    default:
      return errorCode
  }
}
