// A follower in a process of its own, for tests of one that stops: dials node 2 at the port given, keeps eight calls of a large answer open, and
// reports every time it is linked and has had some answers.

import { realEnv } from '../../src/env/real.js'
import { LinkThread } from '../../src/link/link-thread.js'
import { PortDoor } from '../../src/link/port-door.js'
import { part } from './links.js'

const env = realEnv()
const door = new PortDoor(env)
const link = await LinkThread.start({
  env,
  nodeId: 1,
  clusterId: () => 'cluster-of-tests',
  secret: 'a secret of tests',
  listen: null,
  settings: { windowBytes: 1 << 20, chunkBytes: 256 << 10, pingIntervalMs: 200, deadAfterMs: 2000 },
  onWorkerPort: (_, port) => door.attach(port),
})
door.attach(link.attachWorker(0))
let answers = 0
door.onPeer((peer, up) => {
  if (!up) return
  answers = 0
  for (let i = 0; i < 8; i++) void keepAsking(peer)
})
link.setPeers(new Map([[2, { host: '127.0.0.1', port: Number(process.argv[2]) }]]))
process.on('disconnect', () => process.exit(0))

async function keepAsking(peer: number): Promise<void> {
  try {
    while (door.isUp(peer)) {
      await door.call(peer, 1, [part('x')], () => {}, 30_000)
      if (++answers === 50) process.send!('linked')
    }
  } catch {
    // The link broke: the next `up` begins anew.
    return
  }
}
