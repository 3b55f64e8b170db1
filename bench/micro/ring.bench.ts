// What a body costs on its way to another thread, on both threads together: in an ArrayBuffer made for it and moved, or through shared memory
// (threads/shared-ring.ts). Each is filled once, as by a read from a file, and copied once there, as into a frame. Several to a message, as one
// turn of the event loop sends them. The lowest fifth of several passes, as others share the machine.

import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { type Placed, ringMemory, RingReader, RingWriter } from '../../src/threads/shared-ring.js'

const PASSES = 15
const BYTES_OF_A_PASS = 40e6
/** As in a link's frame. */
const FRAME_AT = 36
const PHASE = FRAME_AT % 8
type Body = Placed | Uint8Array

function receive(): void {
  const frame = new Uint8Array(1 << 20)
  let reader: RingReader | undefined
  parentPort!.on('message', (message: SharedArrayBuffer | readonly Body[]) => {
    if (message instanceof SharedArrayBuffer) {
      reader = new RingReader(message)
      return
    }
    for (const body of message) {
      if (body instanceof Uint8Array) frame.set(body, FRAME_AT)
      else {
        const taken = reader!.take(body)
        frame.set(taken.bytes, FRAME_AT)
        taken.release()
      }
    }
    parentPort!.postMessage(null)
  })
}

async function measure(): Promise<void> {
  const worker = new Worker(new URL(import.meta.url))
  const memory = ringMemory(4 << 20)
  const writer = new RingWriter(memory)
  const source = new Uint8Array(1 << 20).fill(7)
  worker.postMessage(memory)
  const turn = (viaRing: boolean, size: number, count: number): Promise<void> => {
    const bodies: Body[] = []
    const moved: ArrayBuffer[] = []
    for (let i = 0; i < count; i++) {
      if (viaRing) bodies.push(writer.place(size, PHASE, (target, at) => target.set(source.subarray(PHASE, PHASE + size), at))!)
      else {
        const bytes = new Uint8Array(new ArrayBuffer(size))
        bytes.set(source.subarray(0, size))
        bodies.push(bytes)
        moved.push(bytes.buffer)
      }
    }
    return new Promise((resolve) => {
      worker.once('message', () => resolve())
      worker.postMessage(bodies, moved)
    })
  }
  for (const size of [1024, 16 << 10, 256 << 10]) {
    for (const count of [1, 8]) {
      const turns = Math.max(20, Math.min(400, Math.round(BYTES_OF_A_PASS / (size * count))))
      const costs: [number[], number[]] = [[], []]
      for (let pass = 0; pass < PASSES; pass++) {
        for (const viaRing of [false, true]) {
          const before = process.cpuUsage()
          for (let i = 0; i < turns; i++) await turn(viaRing, size, count)
          const { user, system } = process.cpuUsage(before)
          costs[viaRing ? 1 : 0].push((user + system) / (turns * count))
        }
      }
      const [moved, ring] = costs.map((all) => all.toSorted((a, b) => a - b)[Math.floor(PASSES / 5)]!.toFixed(1))
      console.log(`${size} bytes, ${count} a message: moved ${moved} µs of CPU each, ring ${ring} µs`)
    }
  }
  await worker.terminate()
}

if (isMainThread) await measure()
else receive()
