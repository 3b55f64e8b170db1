import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { brokerOptions, flagSettings } from '../../src/cli/serve/node-options.js'
import { cli, freePort, startCli, startNode, temporaryDir } from './run-cli.js'

test('serve prints one ready line and two commands to try, and SIGTERM stops it cleanly', async (t) => {
  const node = await startNode(t, ['--node-id', '7'])
  const [ready, produce, consume] = node.output().split('\n')
  assert.match(ready!, new RegExp(`^millrace ready kafka=${node.bootstrap} node=7 data=${node.dataDir} in \\d+ ms$`))
  assert.match(produce!, /echo hello \| .*millrace produce greetings/)
  assert.match(consume!, /millrace consume greetings --from beginning/)
  assert.equal(await node.stop('SIGTERM'), 0)
})

test('SIGINT stops it cleanly too, and the same data directory opens again', async (t) => {
  const node = await startNode(t)
  const sent = await cli(['produce', 'kept', '-b', node.bootstrap], { input: 'one\ntwo\n' })
  assert.equal(sent.code, 0, sent.stderr)
  assert.equal(await node.stop('SIGINT'), 0)
  const again = await startNode(t, [], node.dataDir)
  const more = await cli(['produce', 'kept', '-b', again.bootstrap, '--json'], { input: 'three\n' })
  assert.deepEqual((JSON.parse(more.stdout) as { partitions: unknown[] }).partitions, [
    { partition: 0, firstOffset: 2, lastOffset: 2, records: 1 },
  ])
})

test('a second process is refused the data directory and told why', async (t) => {
  const node = await startNode(t)
  const { code, stderr } = await cli(['serve', '--listen', '127.0.0.1:0', '--data-dir', node.dataDir])
  assert.equal(code, 1)
  assert.match(stderr, /in use by another process/)
  assert.match(stderr, /--data-dir/)
})

test('a data directory where the system makes none is named, and the start ends', { skip: process.platform !== 'linux' }, async () => {
  const { code, stderr } = await cli(['serve', '--listen', '127.0.0.1:0', '--data-dir', '/proc/millrace/data'])
  assert.notEqual(code, 0)
  assert.match(stderr, /no directory can be made there: .*\/proc\/millrace/)
  assert.match(stderr, /--data-dir/)
})

test('a known setting that changes nothing is warned about at the start', async (t) => {
  const dir = temporaryDir(t)
  const file = join(dir, 'server.properties')
  writeFileSync(file, 'num.io.threads=8\nnum.partitions=3\n')
  const node = await startNode(t, ['--config', file])
  assert.equal(await node.stop(), 0)
  assert.match(node.errors(), /num\.io\.threads is a Kafka setting that this version knows but does not act on/)
  assert.doesNotMatch(node.errors(), /num\.partitions/)
})

test('flags become settings under Kafka names, and a listener that is not PLAINTEXT is refused', () => {
  const settings = flagSettings({
    listen: ['127.0.0.1:1', '[::1]:2', ':3'],
    advertise: 'example.org:9',
    dataDir: ['a', 'b'],
    nodeId: '4',
    workers: '2',
  })
  assert.deepEqual(Object.fromEntries(settings), {
    listeners: 'PLAINTEXT://127.0.0.1:1,PLAINTEXT://[::1]:2,PLAINTEXT://0.0.0.0:3',
    'advertised.listeners': 'PLAINTEXT://example.org:9',
    'log.dirs': 'a,b',
    'node.id': '4',
    'millrace.workers': '2',
  })
  const options = brokerOptions(settings)
  assert.deepEqual(options.listen, [
    { host: '127.0.0.1', port: 1 },
    { host: '::1', port: 2 },
    { host: '0.0.0.0', port: 3 },
  ])
  assert.deepEqual(options.advertise, { host: 'example.org', port: 9 })
  assert.equal(options.workers, 2)
  assert.throws(() => brokerOptions(new Map([['listeners', 'SSL://:9093']])), /needs SSL, and this version serves PLAINTEXT only/)
  const kraft = new Map([
    ['listeners', 'PLAINTEXT://:9092,CONTROLLER://:9093'],
    ['controller.listener.names', 'CONTROLLER'],
  ])
  assert.deepEqual(brokerOptions(kraft).listen, [{ host: '0.0.0.0', port: 9092 }])
})

test('a node that waits for the others of its ensemble says so, and SIGTERM ends it', async (t) => {
  const ports = await Promise.all([freePort(), freePort(), freePort(), freePort()])
  const ensemble = [1, 2, 3].map((id) => `${id}@127.0.0.1:${ports[id]}`).join(',')
  const args = ['--node-id', '1', '--listen', '127.0.0.1:0', '--link', `127.0.0.1:${ports[0]}`, '--ensemble', ensemble]
  const node = startCli(t, ['serve', '--data-dir', temporaryDir(t), ...args])
  await node.says(/not ready after \d+ s: .* waits for a majority of the ensemble 1@127/)
  assert.equal(await node.stop('SIGTERM'), 0)
})

test('produce that is interrupted says how much was sent, and ends with 130', async (t) => {
  const { bootstrap } = await startNode(t)
  const producer = startCli(t, ['produce', 'typed', '-b', bootstrap, '--rate', '1', '--linger', '0'], 'pipe')
  producer.process.stdin!.write('line\n'.repeat(10_000))
  const consumed = (): Promise<string> =>
    cli(['consume', 'typed', '-b', bootstrap, '--from', 'beginning', '--until', 'end']).then(({ stdout }) => stdout)
  while (!(await consumed()).startsWith('line\n'));
  assert.equal(await producer.stop('SIGINT'), 130)
  const sent = Number(/^(\d+) records? .* to typed/.exec(producer.errors())?.[1])
  assert.equal((await consumed()).length, 'line\n'.length * sent)
})
