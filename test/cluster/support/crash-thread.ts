// Ends one thread of a running node as a bug in it would, by an error that nobody catches: through the inspector, which Node.js opens when
// its process gets SIGUSR1. The node is the one that users run, without anything built in for this.

import { WebSocket } from 'ws'

const LIMIT_MS = 20_000
const CRASH = `setTimeout(() => { throw new Error('a crash that a test asked for') })`

export interface InspectedNode {
  readonly said: string
  signal(signal: NodeJS.Signals): void
}

interface WorkerAttached {
  readonly sessionId: string
  readonly workerInfo: { readonly title: string }
}

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: Record<string, unknown>
}

async function inspector(node: InspectedNode): Promise<string> {
  const end = performance.now() + LIMIT_MS
  const address = (): string | undefined => [...node.said.matchAll(/Debugger listening on (ws:\S+)/g)].at(-1)?.[1]
  const open = address()
  if (open !== undefined) return open
  node.signal('SIGUSR1')
  while (performance.now() < end) {
    const found = address()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error('the inspector did not open')
}

/** Resolves once the thread has been told. */
export async function crashThread(node: InspectedNode, name: string): Promise<void> {
  const socket = new WebSocket(await inspector(node))
  let nextId = 1
  const send = (method: string, params: object): void => socket.send(JSON.stringify({ id: nextId++, method, params }))
  const titles: string[] = []
  try {
    await new Promise<void>((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error(`there is no thread ${name}, but ${titles.join(', ')}`)), LIMIT_MS)
      socket.on('error', reject)
      socket.on('open', () => send('NodeWorker.enable', { waitForDebuggerOnStart: false }))
      socket.on('message', (data: Buffer) => {
        const { method, params } = JSON.parse(data.toString()) as Message
        if (method === 'NodeWorker.attachedToWorker') {
          const { sessionId, workerInfo } = params as unknown as WorkerAttached
          titles.push(workerInfo.title)
          if (!workerInfo.title.includes(name)) return
          const message = JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression: CRASH } })
          send('NodeWorker.sendMessageToWorker', { sessionId, message })
        } else if (method === 'NodeWorker.receivedMessageFromWorker') {
          clearTimeout(limit)
          resolve()
        }
      })
    })
  } finally {
    socket.close()
  }
}
