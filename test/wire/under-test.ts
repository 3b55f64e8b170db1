// Which server a wire test talks to: the one that MILLRACE_TEST_BOOTSTRAP names, or a broker of the test's own.

import type { TestContext } from 'node:test'

export async function brokerUnderTest(_t: TestContext): Promise<string | null> {
  return process.env['MILLRACE_TEST_BOOTSTRAP'] ?? null
}
