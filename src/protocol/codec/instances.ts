// The reader and the writer of this thread. One of each is enough, since neither decoding nor encoding ever waits.

import { Reader } from './reader.js'
import { Writer } from './writer.js'

export const reader = new Reader()
export const writer = new Writer()
