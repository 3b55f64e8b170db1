// Members over real TCP, one of them on a small file system of its own that fills up.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import type { QuorumMember } from '../../../src/ensemble/quorum/quorum-member.js'
import { ZkCode } from '../../../src/ensemble/tree/codes.js'
import { isZnodeError } from '../../../src/ensemble/znode-client.js'
import { SmallDisk, unavailable } from '../../cluster/support/disk.js'
import { listening, serving } from './members.js'

const problem = unavailable()

for (const who of ['leader', 'follower'] as const) {
  test(`a ${who} whose disk is full stands aside, says why, and takes part again by itself`, { skip: problem ?? false }, async (t) => {
    const dir = mkdtempSync(path.join(tmpdir(), 'millrace-full-'))
    const disks = [1, 2, 3].map((id) => new SmallDisk(path.join(dir, String(id)), 16 * 1024))
    const { open } = await listening(t, 3)
    const members = disks.map((disk, i) => open(i + 1, path.join(disk.dir, 'ensemble')))
    // After the members are closed.
    t.after(() => {
      for (const disk of disks) disk.close()
      rmSync(dir, { recursive: true, force: true })
    })
    await serving(...members)
    const full = members.findIndex(({ role }) => role === who)
    const [member, disk] = [members[full]!, disks[full]!]
    const others = members.filter((each) => each !== member)
    const client = await others[0]!.connect()
    await client.create('/a', null)
    const looking = becoming(member, (role) => role === 'looking')
    disk.fill()
    // Until the reserved space of its log is used up.
    for (let n = 0; member.problem === null; n++) {
      await client.setData('/a', Buffer.alloc(100_000, n)).catch((error: unknown) => {
        assert.ok(isZnodeError(error, ZkCode.connectionLoss))
        return serving(...others)
      })
    }
    await looking
    assert.match(member.problem ?? '', /the disk of .* is full/)
    assert.equal(member.failure, null)
    await serving(...others)
    await assert.doesNotReject(client.setData('/a', Buffer.from('without it')))
    const back = becoming(member, (role) => role !== 'looking')
    disk.free()
    await back
    assert.equal(member.problem, null)
    await member.sync()
    assert.equal(Buffer.from(member.tree.node('/a')!.data!).toString(), 'without it')
    // And it counts again.
    await others[1]!.close()
    await serving(member, others[0]!)
    await (await member.connect()).setData('/a', Buffer.from('with it'))
  })
}

async function becoming(member: QuorumMember, is: (role: QuorumMember['role']) => boolean): Promise<void> {
  if (is(member.role)) return
  await new Promise<void>((resolve) => {
    const unlisten = member.onRoleChange((role) => {
      if (!is(role)) return
      unlisten()
      resolve()
    })
  })
}
