// Runs other people's ZooKeeper suites, and ours of every ZnodeClient, against a server of ZooKeeper's protocol: an embedded ensemble of one
// unless --connect names another. Command: npm run test:clients -- zookeeper [--connect HOST:PORT] [--only TEXT]
// Ends with one line: N passed, N failed, N skipped.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endAllChildren, ended, run, start } from '../clients/child.js'
import { Unavailable } from '../clients/client.js'
import { ROOT } from '../clients/install.js'
import { SUITES, type Outcome, type Suite, type Target } from './suites.js'

const own: Suite = {
  name: 'the suite of every ZnodeClient, over TCP',
  install: () => Promise.resolve(),
  run: async ({ connect }) => {
    const file = join(ROOT, 'dist/test/wire/zookeeper/znode-client-on.js')
    const env = { ZK_CONNECT: connect }
    const { stdout } = await run(process.execPath, ['--test', '--test-reporter=tap', file], { env, accept: [1] })
    const names = (pattern: RegExp): string[] => [...stdout.matchAll(pattern)].map((match) => match[1]!)
    return { passed: names(/^\s*ok \d+ - (.*)$/gm).length, failed: names(/^\s*not ok \d+ - (.*)$/gm), skipped: 0 }
  },
}

async function startServer(): Promise<Target & { stop(): Promise<void> }> {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-zookeeper-'))
  const child = start(process.execPath, [join(ROOT, 'dist/test/wire/zookeeper/serve.js'), dir])
  child.stderr!.pipe(process.stderr)
  const [, connect, control] = await new Promise<RegExpExecArray>((resolve, reject) => {
    let said = ''
    child.stdout!.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      const ready = /zookeeper ready (\S+) control (\S+)/.exec(said)
      if (ready) resolve(ready)
    })
    child.once('close', (code) => reject(new Error(`the server ended with ${code}`)))
  })
  return {
    connect: connect!,
    control: control!,
    stop: async () => {
      child.kill('SIGTERM')
      await ended(child)
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

async function runSuite(suite: Suite, target: Target): Promise<Outcome> {
  const began = performance.now()
  try {
    await suite.install()
    const outcome = await suite.run(target)
    const seconds = ((performance.now() - began) / 1000).toFixed(0)
    console.log(`  ${suite.name}: ${outcome.passed} passed, ${outcome.failed.length} failed, ${outcome.skipped} skipped  ${seconds} s`)
    for (const name of outcome.failed) console.log(`    FAILED ${name}`)
    return outcome
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
    console.log(`  SKIPPED ${suite.name}: ${error.message}`)
    return { passed: 0, failed: [], skipped: 1 }
  }
}

export async function runZookeeperSuites(options: {
  readonly connect: string | undefined
  readonly only: string | undefined
}): Promise<number> {
  const server = options.connect === undefined ? await startServer() : null
  const target: Target = server ?? { connect: options.connect!, control: '' }
  console.log(`ZooKeeper suites against ${target.connect}`)
  const total = { passed: 0, failed: 0, skipped: 0 }
  try {
    for (const suite of [own, ...SUITES]) {
      if (options.only !== undefined && !suite.name.includes(options.only)) continue
      const outcome = await runSuite(suite, target)
      total.passed += outcome.passed
      total.failed += outcome.failed.length
      total.skipped += outcome.skipped
    }
  } finally {
    await server?.stop()
    endAllChildren()
  }
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
  return total.failed
}
