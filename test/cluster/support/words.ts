// ZooKeeper's words of four letters, asked of one server.

import { connect } from 'node:net'

const LIMIT_MS = 5000

export function askWord(address: string, word: string): Promise<string> {
  const at = address.lastIndexOf(':')
  const socket = connect(Number(address.slice(at + 1)), address.slice(0, at))
  return new Promise<string>((resolve, reject) => {
    let said = ''
    socket.setTimeout(LIMIT_MS, () => reject(new Error(`${address} did not answer ${word} within ${LIMIT_MS} ms`)))
    socket.on('connect', () => socket.write(word))
    socket.on('data', (chunk) => (said += chunk.toString()))
    socket.on('error', reject)
    socket.on('end', () => resolve(said))
  }).finally(() => socket.destroy())
}
