// Three whole nodes of one cluster in this process, on free ports and temporary directories: for tests of what clients see of several nodes.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Broker, startBroker } from '../../src/broker/broker.js'
import { loadStaticConfig } from '../../src/broker/config/static-config.js'
import { brokerOptions } from '../../src/cli/serve/node-options.js'
import type { Logger } from '../../src/env/env.js'
import { silentLogger } from '../../src/env/real.js'
import { freePorts } from '../cluster/support/nodes.js'

export interface ThreeNodes {
  /** Where each is reached by itself, by node id less 1. */
  readonly addresses: readonly string[]
  readonly bootstrap: string
  broker(id: number): Broker
  close(): Promise<void>
}

/** `settings`: `name=value`, for every node. */
export async function startThreeNodes(settings: readonly string[] = [], logger: Logger = silentLogger): Promise<ThreeNodes> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-three-'))
  const ports = await freePorts(9)
  const ids = [1, 2, 3]
  const addresses = ids.map((id) => `127.0.0.1:${ports[id - 1]}`)
  const ensemble = ids.map((id) => `${id}@127.0.0.1:${ports[id + 2]}`).join(',')
  const start = (id: number): Promise<Broker> => {
    const own = [
      `node.id=${id}`,
      `listeners=PLAINTEXT://${addresses[id - 1]}`,
      `log.dirs=${join(dir, String(id))}`,
      `millrace.link.listener=127.0.0.1:${ports[id + 5]}`,
      `millrace.ensemble=${ensemble}`,
      'millrace.workers=1',
      'millrace.log.level=silent',
      // The longest there is: no node of a busy machine is taken for dead.
      'broker.session.timeout.ms=40000',
    ]
    const { properties } = loadStaticConfig({ set: [...own, ...settings] })
    return startBroker({ ...brokerOptions(properties), logger })
  }
  const started = await Promise.allSettled(ids.map(start))
  const brokers = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const close = async (): Promise<void> => {
    await Promise.all(brokers.map((broker) => broker.close()))
    await rm(dir, { recursive: true, force: true })
  }
  const failed = started.find((one) => one.status === 'rejected')
  if (failed) {
    await close()
    throw failed.reason
  }
  return { addresses, bootstrap: addresses.join(','), broker: (id) => brokers[id - 1]!, close }
}
