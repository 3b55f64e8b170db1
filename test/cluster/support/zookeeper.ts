// An ensemble of Apache ZooKeeper on this machine, planned by bench/anchors/zookeeper.mjs, for clusters that keep their metadata in one.

import { join } from 'node:path'
import { anchor } from './anchors.js'
import { ClusterNode, freePorts } from './nodes.js'
import { askWord } from './words.js'

export interface Zookeeper {
  readonly connect: string
  close(): Promise<void>
}

interface Planned {
  readonly servers: readonly { readonly id: number; readonly connect: string; readonly command: readonly string[] }[]
}

export async function startZookeeper(dir: string, count = 3): Promise<Zookeeper> {
  const ports = await freePorts(count * 3)
  const servers = Array.from({ length: count }, (_, i) => ['--server', `${i + 1}@127.0.0.1:${ports.slice(i * 3, i * 3 + 3).join(':')}`])
  const planned = JSON.parse(await anchor('zookeeper', 'plan', '--data', dir, ...servers.flat())) as Planned
  const nodes = planned.servers.map(
    ({ id, connect, command }) =>
      new ClusterNode({
        id,
        kafka: '',
        ensembleClient: connect,
        dataDir: join(dir, `server-${id}`),
        logDir: '',
        command: () => command,
        isReady: async () => /^Mode: /m.test(await askWord(connect, 'srvr')),
      }),
  )
  const close = async (): Promise<void> => void (await Promise.all(nodes.map((node) => node.end('SIGKILL'))))
  try {
    await Promise.all(nodes.map((node) => node.start()))
  } catch (error) {
    await close()
    throw error
  }
  return { connect: planned.servers.map(({ connect }) => connect).join(','), close }
}
