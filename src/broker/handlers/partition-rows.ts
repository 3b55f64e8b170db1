// Answers by partition, put together by topic as Kafka's responses have them. Pure.

/** Topics in the order of their first row. */
export function rowsByTopic<Row extends { readonly topic: string }>(rows: readonly Row[]): [string, Row[]][] {
  const topics = new Map<string, Row[]>()
  for (const row of rows) {
    const list = topics.get(row.topic)
    if (list) list.push(row)
    else topics.set(row.topic, [row])
  }
  return [...topics]
}
