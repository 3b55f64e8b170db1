// Entry of the link thread: the server, the dialers, and the router between them and the doors of this node's threads.
// However it ends, it first closes the listening app: a thread that ends with a live one aborts the whole process.

import { parentPort, workerData } from 'node:worker_threads'
import { createLogger, realEnv } from '../env/real.js'
import { Dialers } from './dialer.js'
import type { LinkIdentity } from './handshake.js'
import { LinkRouter } from './router.js'
import { SendQueue } from './send-queue.js'
import { LinkServer } from './server.js'
import type { LinkThreadCommand, LinkThreadInit, LinkThreadReport } from './thread-messages.js'
import { certificateProver } from './tls.js'

const init = workerData as LinkThreadInit
const { settings, tls } = init
const env = realEnv(createLogger(init.logLevel))
const main = parentPort!
const report = (message: LinkThreadReport): void => main.postMessage(message)

process.on('uncaughtException', (error) => {
  report({ kind: 'failed', message: error.stack ?? error.message })
  end(1)
})

const identity: LinkIdentity = { ...init, ...settings }
const router = new LinkRouter(settings, env.logger)
const scratch = new Uint8Array(SendQueue.frameBytes(settings.chunkBytes))
const certificates = certificateProver(tls, () => env.clock.now())
const parts = { env, settings, identity, tls, certificates, router, scratch }
const server = init.listen ? new LinkServer(parts) : null
const dialers = new Dialers(parts)
let ending = false

main.on('message', (command: LinkThreadCommand) => {
  if (command.kind === 'attach') router.attach(command.door, command.port)
  else if (command.kind === 'placement') router.setPlacement(command.key, command.owners)
  else if (command.kind === 'peers') dialers.set(command.peers)
  else if (command.kind === 'stats')
    report({
      kind: 'stats',
      id: command.id,
      stats: { ...router.stats, refused: server?.refused ?? 0, arrayBuffers: process.memoryUsage().arrayBuffers },
    })
  else if (command.kind === 'close') end(0)
  else throw new Error('the link thread was told to fail')
})

if (server && init.listen) {
  server.listen(init.listen).then(
    (port) => report({ kind: 'listening', port }),
    (error: Error) =>
      report({ kind: 'cannotListen', message: `cannot listen for links on ${init.listen!.host}:${init.listen!.port}: ${error.message}` }),
  )
} else report({ kind: 'listening', port: null })

function end(code: number): void {
  if (ending) return
  ending = true
  dialers.close()
  server?.close()
  router.close()
  // One turn for what was closed to leave the event loop.
  setImmediate(() => {
    const flag = new Int32Array(init.closed)
    Atomics.store(flag, 0, 1)
    Atomics.notify(flag, 0)
    process.exit(code)
  })
}
