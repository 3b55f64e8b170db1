// An embedded ensemble of one with its ZooKeeper port, or a member of several, as a process of its own: what other people's suites and the
// load program run against. Usage: node dist/test/wire/zookeeper/serve.js DIR [PORT] [TICK_MS] [ID ID@HOST:PORT,…]
// Prints `zookeeper ready 127.0.0.1:PORT control 127.0.0.1:PORT`; the control port takes `stop 1` and `start 1`. Ends by SIGTERM.

import { createServer, type AddressInfo, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { createLogger, realEnv } from '../../../src/env/real.js'
import type { EnsembleServer } from '../../../src/ensemble/ensemble-server.js'
import { Member } from '../../../src/ensemble/member.js'
import { QuorumMember } from '../../../src/ensemble/quorum/quorum-member.js'
import { TcpTransport } from '../../../src/ensemble/quorum/tcp-transport.js'
import { ZkServer } from '../../../src/ensemble/wire/server/zk-server.js'

const [dir, wanted = '0', tickMs = '500', id = '1', voters = ''] = process.argv.slice(2)
const env = realEnv(createLogger(process.env['LOG_LEVEL'] ?? 'warn'))

type Ensemble = EnsembleServer & { close(): Promise<void> }

/** The only one, or one of those that `voters` names. */
async function open(): Promise<Ensemble> {
  const common = { dir: dir!, env, memberId: Number(id), tickMs: Number(tickMs), reapIntervalMs: 500 }
  const servers = voters
    .split(',')
    .filter((each) => each !== '')
    .map((each) => {
      const [, member, host, port] = /^(\d+)@(.+):(\d+)$/.exec(each)!
      return { id: Number(member), host: host!, port: Number(port), voter: true, clientAddress: null }
    })
  if (servers.length < 2) return Member.open(common)
  const listen = servers.find((server) => server.id === common.memberId)!
  const transport = await TcpTransport.listen({ env, memberId: common.memberId, listen, secret: '' })
  return QuorumMember.open({ ...common, config: { servers }, transport })
}

class Node {
  #port = Number(wanted)
  #ensemble: Ensemble | null = null
  #server: ZkServer | null = null

  get port(): number {
    return this.#port
  }

  async start(): Promise<void> {
    if (this.#server) return
    this.#ensemble = await open()
    this.#server = await ZkServer.listen({
      env,
      ensemble: this.#ensemble,
      host: '127.0.0.1',
      port: this.#port,
      maxClientCnxns: 0,
      // super:test
      superDigest: 'super:D/InIHSb7yEEbrWz8b9l71RjZJU=',
      dataDir: dir!,
    })
    this.#port = this.#server.port
  }

  async stop(): Promise<void> {
    await this.#server?.close()
    await this.#ensemble?.close()
    this.#server = null
    this.#ensemble = null
  }
}

const node = new Node()
await node.start()
const control = createServer((socket: Socket) => {
  socket.on('error', () => undefined)
  createInterface({ input: socket }).on('line', (line) => {
    const work = line.startsWith('stop') ? node.stop() : node.start()
    work.then(
      () => socket.end('ok\n'),
      (error: Error) => socket.end(`${error.message}\n`),
    )
  })
})
control.listen(0, '127.0.0.1', () => {
  console.log(`zookeeper ready 127.0.0.1:${node.port} control 127.0.0.1:${(control.address() as AddressInfo).port}`)
})
process.on('SIGTERM', () => {
  void node.stop().then(() => process.exit(0))
})
