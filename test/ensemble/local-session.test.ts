import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after } from 'node:test'
import { Member } from '../../src/ensemble/member.js'
import { realEnv } from '../../src/env/real.js'
import { znodeClientSuite } from './znode-client-suite.js'

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'millrace-local-'))
const member = Member.open({ dir: path.join(dir, 'ensemble'), env: realEnv() })
after(async () => {
  await member.close()
  fs.rmSync(dir, { recursive: true, force: true })
})

znodeClientSuite({
  name: 'in this process',
  readsMayBeNewer: true,
  connect: (t) => {
    const client = member.connect()
    t.after(() => client.close())
    return Promise.resolve(client)
  },
})
