// Three members as three processes over TCP: killed with SIGKILL under load, one by one and all at once.

import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'
import net from 'node:net'
import path from 'node:path'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { tempDir } from '../helpers.js'

const CHILD = fileURLToPath(new URL('./member-child.js', import.meta.url))

class Process {
  readonly id: number
  readonly #start: () => ChildProcess
  #child: ChildProcess | null = null
  role = 'looking'
  roleAt = 0
  readonly #told = new Set<() => void>()
  readonly acked: { readonly number: number; readonly at: number }[]
  #text = ''

  constructor(id: number, acked: { readonly number: number; readonly at: number }[], start: () => ChildProcess) {
    this.id = id
    this.#start = start
    this.acked = acked
  }

  start(): void {
    const child = this.#start()
    this.#child = child
    this.#text = ''
    child.stdout!.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString()
      const lines = this.#text.split('\n')
      this.#text = lines.pop()!
      for (const line of lines) {
        const [what, value, at] = line.split(' ')
        if (what === 'role') {
          this.role = value!
          this.roleAt = Date.now()
        }
        if (what === 'acked') this.acked.push({ number: Number(value), at: Number(at) })
      }
      for (const told of this.#told) told()
    })
  }

  onLine(listener: () => void): () => void {
    this.#told.add(listener)
    return () => void this.#told.delete(listener)
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (!child) return
    this.#child = null
    this.role = 'dead'
    const gone = once(child, 'close')
    child.kill('SIGKILL')
    await gone
  }

  send(message: string): void {
    this.#child!.send(message)
  }

  async ask(message: string): Promise<unknown> {
    const answer = once(this.#child!, 'message')
    this.#child!.send(message)
    return (await answer)[0]
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = net.createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port)
  for (const server of servers) server.close()
  return ports
}

async function threeProcesses(t: TestContext) {
  const dir = tempDir(t)
  const ports = await freePorts(3)
  const config = ports.map((port, i) => `server.${i + 1}=127.0.0.1:${port}:${port}`).join('|')
  const acked: { number: number; at: number }[] = []
  let lives = 0
  const processes = ports.map((_, i) => {
    const start = (): ChildProcess =>
      fork(CHILD, [String(i + 1), path.join(dir, String(i + 1)), config, String(++lives * 1_000_000)], {
        stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
      })
    return new Process(i + 1, acked, start)
  })
  t.after(() => Promise.all(processes.map((each) => each.kill())))
  const until = async (what: string, holds: () => boolean): Promise<void> => {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => done(() => reject(new Error(`${what}: not within 30 s (${processes.map((p) => p.role).join(', ')})`))),
        30_000,
      )
      const check = (): void => {
        if (holds()) done(resolve)
      }
      const unlisten = processes.map((each) => each.onLine(check))
      const done = (then: () => void): void => {
        clearTimeout(timer)
        for (const each of unlisten) each()
        then()
      }
      check()
    })
  }
  return { processes, acked, until }
}

test('kill -9 of the leader, of all at once, and restarts lose nothing acknowledged', async (t) => {
  const { processes, acked, until } = await threeProcesses(t)
  for (const each of processes) each.start()
  await until('a first leader', () => processes.some((each) => each.role === 'leader'))
  for (const each of processes) each.send('write')
  const failovers: number[] = []
  for (let round = 0; round < 3; round++) {
    const target = acked.length + 200
    await until('writes', () => acked.length >= target && processes.every((each) => each.role === 'leader' || each.role === 'follower'))
    const leader = processes.find((each) => each.role === 'leader')!
    const killedAt = Date.now()
    await leader.kill()
    await until('a new leader', () => processes.some((each) => each.role === 'leader'))
    const { roleAt } = processes.find((each) => each.role === 'leader')!
    // What the old leader had committed may still be acknowledged by a follower: only what came after counts.
    await until('a write through it', () => acked.some(({ at }) => at > roleAt))
    failovers.push(acked.find(({ at }) => at > roleAt)!.at - killedAt)
    leader.start()
    await until('the killed one follows', () => leader.role === 'follower')
    leader.send('write')
  }
  t.diagnostic(`leader killed to next acknowledged write: ${failovers.join(', ')} ms at tickTime 500`)
  const before = acked.length
  await until('writes', () => acked.length >= before + 200)
  await Promise.all(processes.map((each) => each.kill()))
  for (const each of processes) each.start()
  await until('all are back', () => processes.every((each) => each.role === 'leader' || each.role === 'follower'))
  const dumps: Set<string>[] = []
  for (const each of processes) {
    assert.equal(await each.ask('sync'), 'synced')
    dumps.push(new Set((await each.ask('dump')) as string[]))
  }
  for (const { number } of acked)
    for (const [i, dump] of dumps.entries()) assert.ok(dump.has(`/n${number}`), `member ${i + 1} lost /n${number}`)
  assert.ok(acked.length >= 800)
})
