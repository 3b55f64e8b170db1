// A broker for a test: the one that MILLRACE_TEST_BOOTSTRAP names (to hold a test against another server), or one of the test's own.

import type { TestContext } from 'node:test'
import { startTestBroker as start, type TestBroker } from '../../src/embedded/testing.js'
import type { OpenOptions } from '../../src/embedded/open.js'

/** A node on a free port and a temporary directory, gone with the test. */
export async function startTestBroker(t: TestContext, options: Omit<OpenOptions, 'dataDir' | 'listen'> = {}): Promise<TestBroker> {
  const broker = await start(options)
  t.after(() => broker.close())
  return broker
}

export async function bootstrap(t: TestContext): Promise<string> {
  return process.env['MILLRACE_TEST_BOOTSTRAP'] ?? (await startTestBroker(t)).bootstrap
}
