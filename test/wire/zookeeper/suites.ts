// Other people's ZooKeeper suites, each as its authors wrote it, and their checker of histories; installed into .cache/clients.

import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run, type Output } from '../clients/child.js'
import { Unavailable } from '../clients/client.js'
import { CACHE, ROOT } from '../clients/install.js'

const SOURCES = join(ROOT, 'test/wire/zookeeper/suites')
const SERVE = join(ROOT, 'dist/test/wire/zookeeper/serve.js')

export interface Target {
  readonly connect: string
  /** Stops and starts the server; '' when it cannot be. */
  readonly control: string
}

export interface Outcome {
  readonly passed: number
  readonly failed: readonly string[]
  readonly skipped: number
}

export interface Suite {
  readonly name: string
  install(): Promise<void>
  run(target: Target): Promise<Outcome>
}

async function installing(what: string, work: () => Promise<unknown>): Promise<void> {
  await work().catch((error: unknown) => {
    throw new Unavailable(`${what} could not be installed: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`)
  })
}

const text = ({ stdout, stderr }: Output): string => stdout + stderr
const matches = (output: string, pattern: RegExp): string[] => [...output.matchAll(pattern)].map((match) => match[1]!)

// ---- kazoo

const KAZOO = ['kazoo==2.11.0', 'pytest==8.3.4', 'pyopenssl', 'pyjks', 'objgraph']
const kazooHome = join(CACHE, 'kazoo')
/** What one member without TLS, SASL and reconfig has no answer to; most of it kazoo skips by itself. */
const KAZOO_NEEDS_MORE = 'not (test_update_host_list or TestSSLClient or TestReconfig or TestReadOnlyMode)'

const kazoo: Suite = {
  name: 'kazoo 2.11.0, its own tests',
  install: () =>
    installing('kazoo', async () => {
      const mark = join(kazooHome, 'installed-2')
      if (existsSync(mark)) return
      rmSync(kazooHome, { recursive: true, force: true })
      mkdirSync(CACHE, { recursive: true })
      await run('python3', ['-m', 'venv', kazooHome])
      await run(join(kazooHome, 'bin/pip'), ['install', '-q', '--disable-pip-version-check', ...KAZOO], { timeoutMs: 300_000 })
      writeFileSync(mark, '')
    }),
  run: async (target) => {
    const args = [
      '-m',
      'pytest',
      '-p',
      'external_cluster',
      '-p',
      'no:cacheprovider',
      '--pyargs',
      'kazoo.tests',
      '-v',
      '-k',
      KAZOO_NEEDS_MORE,
    ]
    const env = { ZK_CONNECT: target.connect, ZK_CONTROL: target.control, ZOOKEEPER_VERSION: '3.9.6', PYTHONPATH: join(SOURCES, 'kazoo') }
    const output = text(await run(join(kazooHome, 'bin/python'), args, { cwd: CACHE, env, timeoutMs: 900_000, accept: [1] }))
    return {
      passed: matches(output, /(::\S+) PASSED/g).length,
      failed: matches(output, /^(?:FAILED|ERROR) .*?(\w+\.py::\S+)/gm),
      skipped: matches(output, /(::\S+) SKIPPED/g).length,
    }
  },
}

// ---- the Go client

const GO_VERSION = 'v1.0.4'
const goHome = join(CACHE, 'go-zookeeper')

const go: Suite = {
  name: `go-zookeeper ${GO_VERSION}, its own tests`,
  install: () =>
    installing('the Go client', async () => {
      if (existsSync(join(goHome, 'go.mod'))) return
      const { stdout } = await run('go', ['mod', 'download', '-json', `github.com/go-zookeeper/zk@${GO_VERSION}`], { timeoutMs: 300_000 })
      mkdirSync(CACHE, { recursive: true })
      cpSync((JSON.parse(stdout) as { Dir: string }).Dir, goHome, { recursive: true })
      await run('chmod', ['-R', 'u+w', goHome])
    }),
  run: async () => {
    // It starts its servers itself, by the script below, fresh ones per test: one, or a cluster of three.
    const env = { ZOOKEEPER_BIN_PATH: join(SOURCES, 'bin'), ZK_SERVE: `${process.execPath} ${SERVE}` }
    const args = ['test', '-json', '-timeout', '900s', '.']
    const { stdout } = await run('go', args, { cwd: goHome, env, timeoutMs: 1_000_000, accept: [1] })
    const events = stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as { Action: string; Test?: string })
    const of = (action: string): string[] => events.filter((event) => event.Action === action && event.Test).map((event) => event.Test!)
    return { passed: of('pass').length, failed: of('fail'), skipped: of('skip').length }
  },
}

// ---- ZooKeeper's command line

const cliHome = join(CACHE, 'zookeeper-cli')
const POM = join(ROOT, 'test/wire/zookeeper/suites/cli.pom.xml')

/** What an administrator types, in one session, and what must be said. */
const COMMANDS: readonly (readonly [command: string, says: RegExp])[] = [
  ['create /cli one', /Created \/cli$/m],
  ['create -s -e /cli/s- x', /Created \/cli\/s-0000000000/],
  ['create -c /cli/c', /Created \/cli\/c/],
  ['create -t 100000 /cli/t x', /Created \/cli\/t/],
  ['get -s /cli', /^one\ncZxid = 0x[0-9a-f]+\n[^]*numChildren = 3/m],
  ['set -v 0 /cli two', /^/],
  ['get /cli', /^two$/m],
  ['set -v 0 /cli three', /version No is not valid|BadVersion/],
  ['ls -R /cli', /^\/cli\/c\n\/cli\/s-0000000000\n\/cli\/t$/m],
  ['stat /cli', /dataVersion = 1/],
  ['setAcl /cli world:anyone:cdrwa', /^/],
  ['getAcl /cli', /'world,'anyone\n: cdrwa/],
  ['addauth digest bob:secret', /^/],
  ['whoami', /digest: bob/],
  ['getEphemerals /cli', /\/cli\/s-0000000000/],
  ['getAllChildrenNumber /cli', /^3$/m],
  ['setquota -n 10 /cli', /^/],
  ['listquota /cli', /Output quota for \/cli count=10[^]*Output stat for \/cli count=4/],
  ['delquota /cli', /^/],
  ['addWatch -m PERSISTENT /cli', /^/],
  ['removewatches /cli', /^/],
  ['sync /cli', /Sync is OK/],
  ['version', /ZooKeeper CLI version: 3\.9/],
  ['deleteall /cli', /^/],
  ['stat /cli', /Node does not exist: \/cli/],
]

const cli: Suite = {
  name: "ZooKeeper 3.9's command line",
  install: () =>
    installing("ZooKeeper's command line", async () => {
      if (existsSync(join(cliHome, 'installed'))) return
      rmSync(cliHome, { recursive: true, force: true })
      const copy = ['-q', '-B', '-f', POM, 'dependency:copy-dependencies', `-DoutputDirectory=${cliHome}`, '-DincludeScope=runtime']
      await run('mvn', copy, { timeoutMs: 600_000 })
      writeFileSync(join(cliHome, 'installed'), '')
    }),
  run: async (target) => {
    // Each command's answer ends at the next prompt's echo: a command that fails prints and goes on.
    const input = COMMANDS.map(([command]) => `${command}\n`).join('') + 'quit\n'
    const java = ['-Xmx256m', '-cp', join(cliHome, '*'), 'org.apache.zookeeper.ZooKeeperMain', '-server', target.connect]
    const output = text(await run('java', java, { input, timeoutMs: 180_000, accept: [1] }))
    const failed = COMMANDS.filter(([, says]) => !says.test(output)).map(([command]) => command)
    return { passed: COMMANDS.length - failed.length, failed, skipped: 0 }
  },
}

// ---- Curator

const curatorHome = join(CACHE, 'curator')
const CURATOR = join(ROOT, 'test/wire/zookeeper/curator')

const curator: Suite = {
  name: "Curator 5.7.1's recipes",
  install: () =>
    installing('Curator', async () => {
      if (existsSync(join(curatorHome, 'installed'))) return
      rmSync(curatorHome, { recursive: true, force: true })
      const copy = ['-q', '-B', '-f', join(CURATOR, 'pom.xml'), 'dependency:copy-dependencies', `-DoutputDirectory=${curatorHome}`]
      await run('mvn', [...copy, '-DincludeScope=runtime'], { timeoutMs: 600_000 })
      writeFileSync(join(curatorHome, 'installed'), '')
    }),
  run: async (target) => {
    const program = join(CURATOR, 'Recipes.java')
    const java = ['-Xmx256m', '-cp', join(curatorHome, '*'), program, target.connect]
    const output = text(await run('java', java, { timeoutMs: 420_000, accept: [1] }))
    const passed = matches(output, /^PASSED (.*)$/gm)
    // A recipe that the program never came to has failed as well.
    const recipes = matches(readFileSync(program, 'utf8'), /^ +recipe\("([^"]+)"/gm)
    return { passed: passed.length, failed: recipes.filter((name) => !passed.includes(name)), skipped: 0 }
  },
}

// ---- porcupine, on what clients of the simulated ensemble saw

const porcupine = join(CACHE, 'porcupine')
const PORCUPINE = join(ROOT, 'test/wire/zookeeper/porcupine')
const HISTORIES = join(ROOT, 'dist/test/simulation/ensemble/histories.js')
const HISTORY_COUNT = 100
/** A bug that clients can see, and a seed in which they do. */
const PLANTED = ['--planted', 'commitWithoutQuorum', '--from', '22', '--seeds', '1']

async function notLinearizable(args: readonly string[]): Promise<{ readonly seeds: string[]; readonly operations: number }> {
  const { stdout } = await run(process.execPath, [HISTORIES, ...args], { timeoutMs: 900_000 })
  const said = text(await run(porcupine, [], { input: stdout, timeoutMs: 300_000, accept: [1] }))
  return { seeds: matches(said, /^(seed \d+: .*)$/gm), operations: Number(/ (\d+) operations/.exec(said)![1]) }
}

const linearizability: Suite = {
  name: `porcupine 1.0.0: ${HISTORY_COUNT} histories of the simulated ensemble, and a planted bug`,
  install: () => installing('porcupine', () => run('go', ['build', '-o', porcupine, '.'], { cwd: PORCUPINE, timeoutMs: 300_000 })),
  run: async () => {
    const sound = await notLinearizable(['--seeds', String(HISTORY_COUNT)])
    const planted = await notLinearizable(PLANTED)
    console.log(`    ${sound.operations} operations`)
    const failed = [...sound.seeds, ...(planted.seeds.length === 0 ? ['the planted bug was not found'] : [])]
    return { passed: HISTORY_COUNT + 1 - failed.length, failed, skipped: 0 }
  },
}

export const SUITES: readonly Suite[] = [kazoo, go, cli, curator, linearizability]
