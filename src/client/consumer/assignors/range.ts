// Range: per topic, each member takes a contiguous run of partitions; the first `count % members` take one more.
// Topics with equal counts and subscribers are thereby co-partitioned.

import { type Assignor, compareMembers, emptyAssignment, subscribedTopics } from './assignor.js'

export const rangeAssignor: Assignor = {
  name: 'range',
  protocol: 'eager',
  assign(members, partitionCounts) {
    const assignment = emptyAssignment(members)
    const sorted = [...members].sort(compareMembers)
    for (const topic of subscribedTopics(members)) {
      const takers = sorted.filter((member) => member.topics.includes(topic))
      const count = partitionCounts.get(topic) ?? 0
      const each = Math.floor(count / takers.length)
      const extra = count % takers.length
      let next = 0
      takers.forEach((member, index) => {
        const end = next + each + (index < extra ? 1 : 0)
        const list = assignment.get(member.memberId)!
        for (; next < end; next++) list.push({ topic, partition: next })
      })
    }
    return assignment
  },
}
