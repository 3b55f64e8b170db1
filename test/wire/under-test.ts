// Which server a wire test talks to: the one that MILLRACE_TEST_BOOTSTRAP names, or a broker of the test's own with Kafka's defaults.

import type { TestContext } from 'node:test'
import { startTestBroker } from '../support/broker.js'

export async function brokerUnderTest(t: TestContext): Promise<string> {
  const named = process.env['MILLRACE_TEST_BOOTSTRAP']
  if (named !== undefined) return named
  const broker = await startTestBroker(t, { settings: { 'group.initial.rebalance.delay.ms': 3000, 'offsets.topic.num.partitions': 50 } })
  return broker.bootstrap
}
