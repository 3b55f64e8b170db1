// Entry of a worker thread: builds the worker from what the thread coordinator sent along and answers its mailbox. An error that nobody
// caught is a bug: the thread ends, and the coordinator starts another in its place.

import { parentPort, workerData } from 'node:worker_threads'
import { createLogger, realEnv } from '../env/real.js'
import { type Caller, Mailbox, type MailboxHandler, type MailboxPort } from '../threads/mailbox.js'
import type { WorkerInit } from './messages.js'
import { BrokerWorker } from './worker.js'

const init = workerData as WorkerInit
const handlers = new Map<string, MailboxHandler>()
const main: Caller = new Mailbox(parentPort as MailboxPort, handlers)
const worker = new BrokerWorker(init, realEnv(createLogger(init.logLevel)), main)
for (const [method, handler] of worker.handlers()) handlers.set(method, handler)
