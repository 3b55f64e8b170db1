// What a cluster says of itself, asked until it is as a test needs it. Waiting has a limit and says what it waited for.

import { setTimeout as pause } from 'node:timers/promises'
import { Admin } from '../../../src/client/index.js'

const AGAIN_MS = 50

/** Asks again until the answer is there (not null). Errors count as "not yet"; the last one is the cause when time runs out. */
export async function eventually<T>(what: string, limitMs: number, ask: () => Promise<T | null>): Promise<T> {
  const end = performance.now() + limitMs
  let cause: unknown
  while (performance.now() < end) {
    try {
      const answer = await ask()
      if (answer !== null) return answer
    } catch (error) {
      cause = error
    }
    await pause(AGAIN_MS)
  }
  throw new Error(`waited ${limitMs} ms in vain: ${what}`, { cause })
}

export async function withAdmin<T>(bootstrap: string, use: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Admin({ bootstrapServers: bootstrap, requestTimeoutMs: 3000, defaultApiTimeoutMs: 10_000 })
  try {
    return await use(admin)
  } finally {
    await admin.close()
  }
}

export function leaderOf(bootstrap: string, topic: string, partition: number): Promise<number> {
  return withAdmin(bootstrap, async (admin) => (await admin.describeTopics([topic]))[0]!.partitions[partition]!.leader)
}

export function controllerOf(bootstrap: string): Promise<number> {
  return withAdmin(bootstrap, async (admin) => (await admin.describeCluster()).controllerId)
}

/** Every partition of the topic has a leader and all its replicas in sync. */
export function allInSync(bootstrap: string, topic: string, limitMs: number): Promise<true> {
  return withAdmin(bootstrap, (admin) =>
    eventually(`all replicas of ${topic} in sync`, limitMs, async () => {
      const [described] = await admin.describeTopics([topic])
      return described!.partitions.every(({ leader, isr, replicas }) => leader >= 0 && isr.length === replicas.length) ? true : null
    }),
  )
}
