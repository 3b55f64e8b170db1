// What websocket-frames.ts and answer-rings.ts use of threads/shared-ring.ts.

export { copyShared, type Placed, ringMemory, RingWriter } from '../threads/shared-ring.js'
