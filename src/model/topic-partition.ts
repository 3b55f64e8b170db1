// The names of things: topics, partitions, ids. Imports nothing.

/** A topic's 128-bit id in Kafka's textual form: 22 characters of unpadded base64url. */
export type Uuid = string

/** The id that means "none" on the wire: sixteen zero bytes. */
export const ZERO_UUID: Uuid = 'AAAAAAAAAAAAAAAAAAAAAA'

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** `topic-partition`, which is also the partition's directory name (Kafka's layout). */
export function partitionDirName(topic: string, partition: number): string {
  return `${topic}-${partition}`
}

/** The same of both in one. */
export function dirNameOf({ topic, partition }: TopicPartition): string {
  return partitionDirName(topic, partition)
}

/** Reads a directory name back; undefined when it is not one. A topic may contain dashes: the last one counts. */
export function parsePartitionDirName(name: string): TopicPartition | undefined {
  const match = /^(.+)-(\d+)$/.exec(name)
  if (!match) return undefined
  return { topic: match[1]!, partition: Number(match[2]) }
}

/** Kafka's internal topics. */
export const GROUP_METADATA_TOPIC = '__consumer_offsets'
export const TRANSACTION_STATE_TOPIC = '__transaction_state'

export function isInternalTopic(topic: string): boolean {
  return topic === GROUP_METADATA_TOPIC || topic === TRANSACTION_STATE_TOPIC
}

/** Rows about partitions, put together by topic as the messages of the protocol have them: topics in the order of their first row. */
export function rowsByTopic<Row extends { readonly topic: string }>(rows: readonly Row[]): [string, Row[]][] {
  const topics = new Map<string, Row[]>()
  for (const row of rows) {
    const list = topics.get(row.topic)
    if (list) list.push(row)
    else topics.set(row.topic, [row])
  }
  return [...topics]
}
