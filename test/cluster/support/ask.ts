// One request to one node, over a connection of its own: what that very node says, and not whichever a client prefers.

import { type BodyOf, decodeResponse, encodeRequest } from '../../../src/protocol/codec/index.js'
import type { MessageOf } from '../../../src/protocol/schema/dsl.js'
import type { Api } from '../../../src/protocol/schema/index.js'
import { dial } from './dial.js'

const LIMIT_MS = 5000

export function ask<A extends Api>(
  address: string,
  api: A,
  version: number,
  body: BodyOf<A['request']>,
): Promise<MessageOf<A['response']>> {
  const socket = dial(address)
  return new Promise<MessageOf<A['response']>>((resolve, reject) => {
    let heard = Buffer.alloc(0)
    socket.setTimeout(LIMIT_MS, () => reject(new Error(`${address} did not answer within ${LIMIT_MS} ms`)))
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`${address} closed the connection`)))
    socket.on('connect', () => {
      const frame = Buffer.concat(encodeRequest(api, version, 1, 'checker', body))
      const length = Buffer.alloc(4)
      length.writeInt32BE(frame.length)
      socket.write(Buffer.concat([length, frame]))
    })
    socket.on('data', (chunk) => {
      heard = Buffer.concat([heard, chunk])
      if (heard.length < 4 || heard.length < 4 + heard.readInt32BE(0)) return
      try {
        resolve(decodeResponse(api, version, heard.subarray(4, 4 + heard.readInt32BE(0))).body)
      } catch (error) {
        reject(error as Error)
      }
    })
  }).finally(() => socket.destroy())
}
