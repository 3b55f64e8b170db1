// A broker for tests of clients: the one MILLRACE_TEST_BOOTSTRAP names. Without it the test is skipped and says why.

import type { TestContext } from 'node:test'

/** `host:port`, or undefined after the test was skipped. */
export async function bootstrap(t: TestContext): Promise<string | undefined> {
  const servers = process.env['MILLRACE_TEST_BOOTSTRAP']
  if (servers !== undefined && servers !== '') return servers
  t.skip('no broker: set MILLRACE_TEST_BOOTSTRAP=host:port')
  return undefined
}
