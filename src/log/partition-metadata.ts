// `partition.metadata`: the topic id of a partition directory, in Kafka's form. Tells a re-created topic from its ancestor.

import { join } from 'node:path'
import { LogError } from './codes.js'
import { readFileIfAny, replaceFile } from './files.js'
import type { Uuid } from '../model/topic-partition.js'

const NAME = 'partition.metadata'

export function readTopicId(dir: string): Uuid | undefined {
  const text = readFileIfAny(join(dir, NAME))?.toString('utf8')
  if (text === undefined) return undefined
  const match = /^version: (\d+)\r?\ntopic_id: (\S+)\s*$/.exec(text)
  if (!match || match[1] !== '0') throw new LogError('ERR_MILLRACE_METADATA', `${join(dir, NAME)}: not a version 0 partition metadata file`)
  return match[2]
}

/** Writes the id once; a different one already there is an error: the directory belongs to another topic of that name. */
export function claimTopicId(dir: string, topicId: Uuid): void {
  const present = readTopicId(dir)
  if (present === topicId) return
  if (present !== undefined) {
    throw new LogError('ERR_MILLRACE_TOPIC_ID', `${dir} belongs to topic id ${present}, not to ${topicId}: move it away or delete it`)
  }
  replaceFile(dir, NAME, Buffer.from(`version: 0\ntopic_id: ${topicId}`))
}
