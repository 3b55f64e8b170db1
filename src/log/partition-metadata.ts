// `partition.metadata`: the topic id of a partition directory, in Kafka's form. Tells a re-created topic from its ancestor.

import { join } from 'node:path'
import { LogError } from './codes.js'
import { readFileIfAny, writeWhole } from './files.js'
import type { Uuid } from '../model/topic-partition.js'

const NAME = 'partition.metadata'

export function readTopicId(dir: string): Uuid | undefined {
  const text = readFileIfAny(join(dir, NAME))?.toString('utf8')
  // Empty: power was lost before anything in the directory counted as durable.
  if (text === undefined || text === '') return undefined
  const match = /^version: (\d+)\r?\ntopic_id: (\S+)\s*$/.exec(text)
  if (!match || match[1] !== '0') throw new LogError('ERR_MILLRACE_METADATA', `${join(dir, NAME)}: not a version 0 partition metadata file`)
  return match[2]
}

/**
 * Writes the id once; a different one already there is an error: the directory belongs to another topic of that name. True: it was written, and
 * is to be synced before anything in the directory counts as durable.
 */
export function claimTopicId(dir: string, topicId: Uuid, isFresh = false): boolean {
  const present = isFresh ? undefined : readTopicId(dir)
  if (present === topicId) return false
  if (present !== undefined) {
    throw new LogError('ERR_MILLRACE_TOPIC_ID', `${dir} belongs to topic id ${present}, not to ${topicId}: move it away or delete it`)
  }
  // One small write: a crash leaves it whole or empty, and empty is as good as none.
  writeWhole(join(dir, NAME), Buffer.from(`version: 0\ntopic_id: ${topicId}`), false)
  return true
}

export function partitionMetadataPath(dir: string): string {
  return join(dir, NAME)
}
