// Which server a wire test talks to: the one that MILLRACE_TEST_BOOTSTRAP names, or a broker of the test's own.

import type { TestContext } from 'node:test'
import { startTestBroker } from '../support/broker.js'

export async function brokerUnderTest(t: TestContext): Promise<string> {
  return process.env['MILLRACE_TEST_BOOTSTRAP'] ?? (await startTestBroker(t)).bootstrap
}
