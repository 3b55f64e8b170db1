// Which partition of __consumer_offsets holds a group: the hash that Java clients and tools expect. Pure.

/** Java's String.hashCode: over UTF-16 units, wrapping in 32 bits. */
export function javaStringHashCode(text: string): number {
  let hash = 0
  for (let index = 0; index < text.length; index++) hash = (Math.imul(31, hash) + text.charCodeAt(index)) | 0
  return hash
}

/** Sign bit cleared rather than Math.abs, as Kafka does: -2^31 has no absolute value in Java. */
export function partitionForGroup(groupId: string, partitionCount: number): number {
  return (javaStringHashCode(groupId) & 0x7fffffff) % partitionCount
}
