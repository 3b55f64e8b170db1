// Run by crash.test.ts: writes to the member in argv[2] until it is killed, printing each number once it is acknowledged.

import { Member } from '../../src/ensemble/member.js'
import { realEnv } from '../../src/env/real.js'

const dir = process.argv[2]
if (dir) {
  const client = Member.open({ dir, env: realEnv(), snapshotAfterBytes: 20_000 }).connect()
  const { names } = await client.getChildren('/')
  let next = names.length
  const writer = async (): Promise<void> => {
    for (;;) {
      const number = next++
      await client.create(`/n${number}`, Buffer.alloc(50, number))
      process.stdout.write(`${number}\n`)
    }
  }
  await Promise.all(Array.from({ length: 16 }, writer))
}
