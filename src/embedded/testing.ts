// `millrace/testing`: a real broker for other people's tests, on a free port and in a temporary directory, gone afterwards.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Millrace, open, type OpenOptions } from './open.js'

export interface TestBroker {
  /** `127.0.0.1:PORT`, for any Kafka client. */
  readonly bootstrap: string
  /** The same node without the network. */
  readonly millrace: Millrace
  readonly dataDir: string
  /** Stops the node and removes its directory. */
  close(): Promise<void>
}

/** Rebalances at once and with one partition for group offsets: a test should not wait for a production default. */
const TEST_SETTINGS = {
  'group.initial.rebalance.delay.ms': 0,
  'offsets.topic.num.partitions': 1,
  'offsets.topic.replication.factor': 1,
} as const

/**
 * Starts a broker for a test.
 *
 * @example
 * const broker = await startTestBroker()
 * t.after(() => broker.close())
 * const kafka = new Kafka({ brokers: [broker.bootstrap] })
 */
export async function startTestBroker(options: Omit<OpenOptions, 'dataDir' | 'listen'> = {}): Promise<TestBroker> {
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-test-'))
  try {
    const millrace = await open({ ...options, settings: { ...TEST_SETTINGS, ...options.settings }, dataDir, listen: { port: 0 } })
    const { host, port } = millrace.addresses[0]!
    const close = async (): Promise<void> => {
      await millrace.close()
      await rm(dataDir, { recursive: true, force: true })
    }
    return { bootstrap: `${host}:${port}`, millrace, dataDir, close }
  } catch (error) {
    await rm(dataDir, { recursive: true, force: true })
    throw error
  }
}
