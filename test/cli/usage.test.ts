import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { cli, freePort, temporaryDir } from './run-cli.js'

test('--help names every command and the exit codes, and ends with 0', async () => {
  const { code, stdout } = await cli(['--help'])
  assert.equal(code, 0)
  for (const command of ['serve', 'topics', 'produce', 'consume', 'groups', 'configs', 'dump-log', 'bench', 'doctor'])
    assert.match(stdout, new RegExp(`^  ${command}`, 'm'))
  assert.match(stdout, /Exit codes:\n  0 /)
})

test('help COMMAND is what COMMAND --help is', async () => {
  for (const command of ['topics', 'bench']) assert.deepEqual(await cli(['help', command]), await cli([command, '--help']), command)
})

test('--version is the version of the package', async () => {
  const version = (JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }).version
  assert.deepEqual(await cli(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' })
})

test('wrong usage ends with 2 and says what was meant', async () => {
  const cases: readonly (readonly [args: string[], message: RegExp])[] = [
    [[], /Usage: millrace/],
    [['topcs'], /Did you mean topics\?/],
    [['topics', 'create'], /missing required argument 'topic'/],
    [['consume', 't', '--nonsense'], /unknown option '--nonsense'/],
    [['consume', 't', '--from', 'nowhere'], /--from takes beginning, end, an offset/],
    [['consume', 't', '--format', 'xml'], /--format takes text, json or a template/],
    [['consume', 't', '--format', '%x'], /"%x", which stands for nothing/],
    [['produce', 't', '--format', 'xml'], /--format takes text or json/],
    [['produce', 't', '--compression', 'brotli'], /--compression takes none, gzip/],
    [['groups', 'reset', 'g'], /no target given/],
    [['configs', 'describe'], /give one of --topic NAME/],
    [['serve', '--listen', 'nowhere'], /--listen takes HOST:PORT/],
  ]
  for (const [args, message] of cases) {
    const { code, stderr } = await cli(args)
    assert.equal(code, 2, args.join(' '))
    assert.match(stderr, message)
  }
})

test('no broker at the address: exit 3, the address and the fix, at once', async () => {
  const port = await freePort()
  const { code, stderr } = await cli(['topics', 'list', '-b', `127.0.0.1:${port}`])
  assert.equal(code, 3)
  assert.match(stderr, new RegExp(`no broker answers at 127\\.0\\.0\\.1:${port}`))
  assert.match(stderr, /fix: start one with millrace serve/)
  const viaEnvironment = await cli(['topics', 'list', '--json'], { env: { MILLRACE_BOOTSTRAP: `127.0.0.1:${port}` } })
  assert.equal(viaEnvironment.code, 3)
  const { error } = JSON.parse(viaEnvironment.stderr) as { error: { message: string; exitCode: number; fix: string } }
  assert.equal(error.exitCode, 3)
  assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}`))
})

test('serve refuses an unknown setting with the nearest name, and a bad value with its range', async (t) => {
  const dir = temporaryDir(t)
  const unknown = await cli(['serve', '--set', 'log.retntion.hours=1'], { cwd: dir })
  assert.equal(unknown.code, 2)
  assert.match(unknown.stderr, /Unknown broker config name: log\.retntion\.hours; did you mean log\.retention\.hours\?/)
  const wrong = await cli(['serve', '--set', 'num.partitions=0'], { cwd: dir })
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /num\.partitions: it is below the least allowed, 1; set num\.partitions to 1 or more/)
  const missing = await cli(['serve', '--config', 'missing.properties'], { cwd: dir })
  assert.equal(missing.code, 2)
  assert.match(missing.stderr, /cannot read the configuration file missing\.properties/)
})

test('a port taken by another process is an error that says so, names it and gives the fix', async (t) => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const { code, stderr } = await cli(['serve', '--listen', `127.0.0.1:${port}`, '--data-dir', temporaryDir(t)])
  assert.equal(code, 1)
  assert.match(stderr, new RegExp(`127\\.0\\.0\\.1:${port}`))
  assert.match(stderr, /taken by another process/)
  assert.match(stderr, /--listen HOST:PORT/)
})

test('dump-log and produce --input name a file that does not exist and end with 4', async () => {
  const dump = await cli(['dump-log', '/nowhere/at/all'])
  assert.equal(dump.code, 4)
  assert.match(dump.stderr, /\/nowhere\/at\/all does not exist/)
  const produce = await cli(['produce', 't', '--input', '/nowhere/at/all'])
  assert.equal(produce.code, 4)
})
