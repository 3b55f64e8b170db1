// Which topic names are legal, and which collide. Pure; the texts are what Kafka's clients show their users.

const MAX_LENGTH = 249

/** Null when `name` is legal, else Kafka's message. */
export function topicNameProblem(name: string): string | null {
  if (name === '') return 'Topic name is invalid: the empty string is not allowed'
  if (name === '.') return "Topic name is invalid: '.' is not allowed"
  if (name === '..') return "Topic name is invalid: '..' is not allowed"
  if (name.length > MAX_LENGTH) return `Topic name is invalid: the length of '${name}' is longer than the max allowed length ${MAX_LENGTH}`
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) {
    return `Topic name is invalid: '${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`
  }
  return null
}

/** Metric names cannot tell `.` from `_`, so two topics that differ in these alone are refused. */
export function collisionKey(name: string): string {
  return name.replaceAll('.', '_')
}

/** A topic of `existing` that `name` collides with, or undefined. */
export function collidingTopic(name: string, existing: Iterable<string>): string | undefined {
  if (!/[._]/.test(name)) return undefined
  const key = collisionKey(name)
  for (const other of existing) if (other !== name && collisionKey(other) === key) return other
  return undefined
}
