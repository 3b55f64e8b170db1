// One node's controller, image and settings without threads, sockets or logs: what the metadata handlers need.

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { ConfigStore } from '../../../src/broker/config/config-store.js'
import { controllerRules } from '../../../src/broker/controller-rules.js'
import { ensureGroupTopic } from '../../../src/broker/group-topic.js'
import type { HandlerContext, RequestContext } from '../../../src/broker/handlers/handler.js'
import type { BrokerServices } from '../../../src/broker/handlers/services.js'
import { ControllerNode } from '../../../src/controller/controller-node.js'
import type { Controller } from '../../../src/controller/controller.js'
import { emptyImage, type BrokerEndpoint, type MetadataImage } from '../../../src/controller/image.js'
import { Member } from '../../../src/ensemble/member.js'
import { realEnv } from '../../../src/env/real.js'

export interface Fixture {
  readonly broker: HandlerContext
  readonly controller: Controller
  readonly context: (version: number, more?: Partial<RequestContext>) => RequestContext
}

export interface FixtureOptions {
  readonly settings?: Readonly<Record<string, string>>
  readonly endpoints?: readonly BrokerEndpoint[]
  /** Changes what handlers see of the image, e.g. other brokers. */
  readonly see?: (image: MetadataImage) => MetadataImage
}

export async function fixture(t: TestContext, options: FixtureOptions = {}): Promise<Fixture> {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'millrace-handlers-'))
  const env = realEnv()
  const member = Member.open({ dir: path.join(dir, 'ensemble'), env })
  let configs: ConfigStore | undefined
  let image = (): MetadataImage => emptyImage('')
  const node = await ControllerNode.start({
    env,
    nodeId: 1,
    identity: 'directory',
    connect: () => member.connect(),
    onView: (view) => {
      image = () => (options.see ?? ((same) => same))(view.image)
      configs = new ConfigStore({ nodeId: 1, properties: new Map(Object.entries(options.settings ?? {})) }, () => image())
    },
    rules: () => controllerRules(configs!),
    announcement: () => ({
      endpoints: options.endpoints ?? [{ name: 'PLAINTEXT', host: '', port: 9092, securityProtocol: 'PLAINTEXT' }],
      rack: null,
      features: new Map(),
      logDirs: [],
      uncleanShutdown: false,
      lostWrites: false,
      lostDirs: false,
    }),
  })
  t.after(async () => {
    await node.close()
    await member.close()
    fs.rmSync(dir, { recursive: true, force: true })
  })
  await node.ready()
  const controller = node.controller!
  const services = {
    controller,
    configs,
    groupPartitionFor: async () => ((await ensureGroupTopic(image, configs!, controller)) > 0 ? 7 : -1),
  } as unknown as BrokerServices
  const context = (version: number, more: Partial<RequestContext> = {}): RequestContext => ({
    apiKey: -1,
    version,
    correlationId: 1,
    clientId: 'test',
    principal: 'User:ANONYMOUS',
    clientHost: '127.0.0.1',
    listenerName: 'PLAINTEXT',
    localAddress: '127.0.0.1',
    localPort: 9092,
    isOpen: () => true,
    ...more,
  })
  return { broker: { env, nodeId: 1, image, services }, controller, context }
}

export async function createTopic(f: Fixture, name: string, numPartitions = 1): Promise<string> {
  const [outcome] = await f.controller.createTopics([{ name, numPartitions, replicationFactor: 1, assignments: [], configs: [] }], false)
  return outcome!.topicId
}
