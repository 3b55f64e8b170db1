import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Finding } from '../../src/cli/doctor.js'
import { cli, startNode, temporaryDir } from './run-cli.js'

async function doctor(...args: string[]): Promise<{ code: number | null; findings: Finding[] }> {
  const { code, stdout, stderr } = await cli(['doctor', '--json', ...args])
  assert.equal(stderr, '')
  return { code, findings: (JSON.parse(stdout) as { findings: Finding[] }).findings }
}

const failed = (findings: readonly Finding[]): string[] =>
  findings.filter((finding) => finding.level === 'FAIL').map((finding) => finding.check)

async function holdPort(t: TestContext): Promise<number> {
  const server = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

test('a healthy machine without a broker passes, and everything that is not OK has a fix', async (t) => {
  const { code, findings } = await doctor('--data-dir', join(temporaryDir(t), 'new'), '--listen', '127.0.0.1:0')
  assert.deepEqual(failed(findings), [])
  assert.equal(code, 0)
  for (const check of ['node', 'addon', 'clock', 'file descriptors', 'machine', 'advertised address', 'broker'])
    assert.ok(
      findings.some((finding) => finding.check === check),
      check,
    )
  for (const finding of findings) assert.equal(finding.level === 'OK', finding.fix === undefined, finding.text)
})

test('a taken port, a data directory that is a file, and an address nobody can reach are FAIL, exit 5', async (t) => {
  const dir = temporaryDir(t)
  writeFileSync(join(dir, 'file'), '')
  mkdirSync(join(dir, 'ok'))
  const port = await holdPort(t)
  const { code, findings } = await doctor(
    '--data-dir',
    join(dir, 'file'),
    '--data-dir',
    join(dir, 'ok'),
    '--listen',
    `127.0.0.1:${port}`,
    '--advertise',
    '0.0.0.0:9092',
  )
  assert.equal(code, 5)
  assert.deepEqual(failed(findings), [`data ${join(dir, 'file')}`, `port 127.0.0.1:${port}`, 'advertised address'])
})

test('a named broker that does not answer, or does not speak Kafka, is FAIL', async (t) => {
  const absent = await doctor('-b', '127.0.0.1:1', '--data-dir', temporaryDir(t), '--listen', '127.0.0.1:0')
  assert.deepEqual([absent.code, failed(absent.findings)], [5, ['broker']])
  const port = await holdPort(t)
  const stranger = await doctor('-b', `127.0.0.1:${port}`, '--timeout', '1000', '--data-dir', temporaryDir(t), '--listen', '127.0.0.1:0')
  assert.deepEqual([stranger.code, failed(stranger.findings)], [5, ['broker']])
})

test('a running broker: metadata is read, and the advertised address is followed', async (t) => {
  const good = await startNode(t)
  const fine = await doctor('-b', good.bootstrap, '--data-dir', good.dataDir, '--listen', good.bootstrap)
  assert.deepEqual(failed(fine.findings), [])
  assert.ok(fine.findings.some((finding) => finding.check === 'node 1' && finding.level === 'OK'))
  assert.ok(fine.findings.some((finding) => finding.check === `port ${good.bootstrap}` && finding.text === 'a broker is listening'))
  assert.ok(fine.findings.some((finding) => finding.text === 'a running process has locked it'))
  const astray = await startNode(t, ['--advertise', '127.0.0.1:1'])
  const bad = await doctor('-b', astray.bootstrap, '--data-dir', temporaryDir(t), '--listen', '127.0.0.1:0')
  assert.deepEqual([bad.code, failed(bad.findings)], [5, ['node 1']])
})

test('a setting nobody knows is refused before anything is checked', async () => {
  const { code, stderr } = await cli(['doctor', '--set', 'num.partition=1'])
  assert.equal(code, 2)
  assert.match(stderr, /did you mean num\.partitions\?/)
})
