// ZooKeeper's words of four letters, asked of one server.

import { dial } from './dial.js'

const LIMIT_MS = 5000

export function askWord(address: string, word: string): Promise<string> {
  const socket = dial(address)
  return new Promise<string>((resolve, reject) => {
    let said = ''
    socket.setTimeout(LIMIT_MS, () => reject(new Error(`${address} did not answer ${word} within ${LIMIT_MS} ms`)))
    socket.on('connect', () => socket.write(word))
    socket.on('data', (chunk) => (said += chunk.toString()))
    socket.on('error', reject)
    socket.on('end', () => resolve(said))
  }).finally(() => socket.destroy())
}
