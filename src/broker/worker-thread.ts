// Entry of a worker thread: builds the worker from what the thread coordinator sends first, and answers its mailbox. An error that nobody
// caught is a bug: the thread ends, and the coordinator starts another in its place.

import { parentPort } from 'node:worker_threads'
import { createLogger, realEnv } from '../env/real.js'
import { Mailbox, type MailboxHandler, type MailboxPort } from '../threads/mailbox.js'
import type { WorkerInit } from './messages.js'
import { BrokerWorker } from './worker.js'

const handlers = new Map<string, MailboxHandler>([['init', begin]])
const main = new Mailbox(parentPort as MailboxPort, handlers)

function begin(init: WorkerInit): void {
  const worker = new BrokerWorker(init, realEnv(createLogger(init.logLevel)), main)
  for (const [method, handler] of worker.handlers()) handlers.set(method, handler)
}
