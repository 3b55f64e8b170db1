// kcat (librdkafka): pipes to and from topics, groups with its balanced consumer, seek by time.

import type { ChildProcess } from 'node:child_process'
import { ended, run, start } from './child.js'
import { check, CODECS, until, type Bench, type Client, type Codec, type Scenario } from './client.js'
import { installKcat } from './install.js'

const FORMAT = '%k\\t%s\\t%h\\n'

class Member {
  /** What the member said it owns last. */
  owned = 0
  readonly seen = new Set<string>()
  private readonly child: ChildProcess
  private said = ''

  constructor(bench: Bench, group: string, topic: string) {
    const settings = ['-X', 'session.timeout.ms=10000', '-X', 'heartbeat.interval.ms=500', '-X', 'auto.offset.reset=earliest']
    this.child = start('kcat', ['-b', bench.bootstrap, '-G', group, ...settings, '-u', '-f', '%s\\n', topic])
    this.child.stdout!.on('data', (chunk: Buffer) => {
      for (const row of chunk.toString().split('\n')) if (row !== '') this.seen.add(row)
    })
    this.child.stderr!.on('data', (chunk: Buffer) => {
      this.said += chunk.toString()
      const last = [...this.said.matchAll(/(assigned: ([^\n]*)|revoked: [^\n]*)\n/g)].at(-1)
      this.owned = last?.[2] === undefined ? 0 : last[2].split(',').length
    })
  }

  async leave(): Promise<void> {
    this.child.kill('SIGTERM')
    await ended(this.child)
  }
}

async function group(bench: Bench): Promise<void> {
  const { name } = await bench.wire.topic('shared', 4)
  const groupId = bench.wire.name('group')
  const rows = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, index) => `k${from + index}\t${from + index}`)
  await kcat.produce(bench, name, 'none', rows(0, 100))
  const first = new Member(bench, groupId, name)
  const members = [first]
  const seen = (): number => new Set(members.flatMap((member) => [...member.seen])).size
  try {
    await until('the first member owns all partitions', () => first.owned === 4)
    const second = new Member(bench, groupId, name)
    members.push(second)
    await until('two members share', () => first.owned === 2 && second.owned === 2)
    await kcat.produce(bench, name, 'none', rows(100, 200))
    await until('every record is read by two', () => seen() === 200)
    await second.leave()
    await until('the remaining member owns all partitions', () => first.owned === 4)
    await kcat.produce(bench, name, 'none', rows(200, 300))
    await until('every record is read by the remaining member', () => seen() === 300)
  } finally {
    await Promise.all(members.map((member) => member.leave()))
  }
}

async function seekByTime(bench: Bench): Promise<void> {
  const { name } = await bench.wire.topic('times')
  await kcat.produce(bench, name, 'none', ['a\tbefore'])
  const first = (await run('kcat', ['-b', bench.bootstrap, '-C', '-t', name, '-e', '-q', '-f', '%T'])).stdout
  const at = Number(first) + 1
  await until('the clock goes on', () => Date.now() > at)
  await kcat.produce(bench, name, 'none', ['b\tafter', 'c\tafter that'])
  const read = await run('kcat', ['-b', bench.bootstrap, '-C', '-t', name, '-o', `s@${at}`, '-e', '-q', '-f', '%o %k %s\\n'])
  check(read.stdout === '1 b after\n2 c after that\n', `read ${JSON.stringify(read.stdout)}`)
  const asked = await run('kcat', ['-b', bench.bootstrap, '-Q', '-t', `${name}:0:${at}`])
  check(/offset 1\b/.test(asked.stdout), `asked: ${asked.stdout}`)
}

async function metadata(bench: Bench): Promise<void> {
  const { name } = await bench.wire.topic('listed', 3)
  const listed = JSON.parse((await run('kcat', ['-b', bench.bootstrap, '-L', '-J'])).stdout) as {
    topics: { topic: string; partitions: unknown[] }[]
  }
  check(listed.topics.find((each) => each.topic === name)?.partitions.length === 3, 'the topic is not listed with three partitions')
}

const kcat: Client = {
  name: 'kcat',
  tier: 'short',
  codecs: CODECS,
  install: installKcat,
  produce: async (bench: Bench, topic: string, codec: Codec, rows: readonly string[]) => {
    const args = ['-b', bench.bootstrap, '-P', '-t', topic, '-K', '\\t', '-z', codec, '-H', 'source=kcat', '-X', 'acks=all']
    await run('kcat', args, { input: rows.map((row) => `${row}\n`).join('') })
  },
  consume: async (bench: Bench, topic: string, count: number) => {
    const { stdout } = await run('kcat', [
      '-b',
      bench.bootstrap,
      '-C',
      '-t',
      topic,
      '-o',
      'beginning',
      '-c',
      String(count),
      '-q',
      '-X',
      'check.crcs=true',
      '-f',
      FORMAT,
    ])
    return stdout
      .split('\n')
      .slice(0, -1)
      .map((row) => row.replace(/\tsource=([^,\t]*)[^\t]*$/, '\t$1'))
  },
  scenarios: [
    { name: 'metadata', tier: 'short', run: metadata },
    { name: 'a group of two, one leaves', tier: 'short', run: group },
    { name: 'seek by time', tier: 'short', run: seekByTime },
  ] satisfies readonly Scenario[],
}

export const KCAT: Client = kcat
