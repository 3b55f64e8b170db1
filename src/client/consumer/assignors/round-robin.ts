// Round robin: all partitions of all topics, sorted, dealt to the members in a circle; one who did not subscribe
// to a topic is passed over.

import { type Assignor, compareMembers, emptyAssignment, subscribedTopics } from './assignor.js'

export const roundRobinAssignor: Assignor = {
  name: 'roundrobin',
  protocol: 'eager',
  assign(members, partitionCounts) {
    const assignment = emptyAssignment(members)
    const sorted = [...members].sort(compareMembers)
    const wants = sorted.map((member) => new Set(member.topics))
    let turn = 0
    for (const topic of subscribedTopics(members)) {
      const count = partitionCounts.get(topic) ?? 0
      for (let partition = 0; partition < count; partition++) {
        while (!wants[turn]!.has(topic)) turn = (turn + 1) % sorted.length
        assignment.get(sorted[turn]!.memberId)!.push({ topic, partition })
        turn = (turn + 1) % sorted.length
      }
    }
    return assignment
  },
}
