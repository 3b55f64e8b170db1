// Producer snapshots, aborted-transaction indexes, checkpoints and property files.

import { readFileSync } from 'node:fs'
import { int16At, int64At } from '../../protocol/records/batch-layout.js'
import { native } from '../../log/native.js'
import { decodeSnapshot } from '../../log/producer-state/snapshot.js'
import type { DumpOptions, Line } from './dump.js'

export function* dumpSnapshot(path: string): Generator<Line> {
  const bytes = readFileSync(path)
  const entries = decodeSnapshot(bytes, (data, offset, length) => native().crc32c(data, offset, length) >>> 0)
  if (!entries) {
    yield {
      kind: 'damage',
      problem: true,
      text: `first bad byte at 0 of ${bytes.length}: version, CRC32C or length of the producer snapshot do not hold together`,
      fields: { position: 0 },
    }
    return
  }
  for (const entry of entries) {
    const last = entry.count - 1
    const lastSequence = last < 0 ? -1 : entry.lastSequences[last]!
    const lastOffset = last < 0 ? -1 : entry.lastOffsets[last]!
    const { producerId, epoch, lastTimestamp, coordinatorEpoch, txnFirstOffset } = entry
    const open = txnFirstOffset >= 0 ? ` transaction open since offset ${txnFirstOffset}` : ''
    const text = `producer ${producerId}/${epoch} last sequence ${lastSequence} last offset ${lastOffset} timestamp ${lastTimestamp} coordinator epoch ${coordinatorEpoch}${open}`
    yield {
      kind: 'producer',
      text,
      fields: { producerId, epoch, lastSequence, lastOffset, lastTimestamp, coordinatorEpoch, txnFirstOffset },
    }
  }
  yield { kind: 'end', text: `${entries.length} producers, crc ok`, fields: { producers: entries.length } }
}

const TXN_ENTRY = 34

export function* dumpTransactionIndex(path: string): Generator<Line> {
  const bytes = readFileSync(path)
  let at = 0
  for (; at + TXN_ENTRY <= bytes.length; at += TXN_ENTRY) {
    const version = int16At(bytes, at)
    const producerId = int64At(bytes, at + 2)
    const firstOffset = int64At(bytes, at + 10)
    const lastOffset = int64At(bytes, at + 18)
    const lastStableOffset = int64At(bytes, at + 26)
    const text = `aborted producer ${producerId} offsets ${firstOffset}-${lastOffset} last stable offset ${lastStableOffset}`
    yield { kind: 'aborted', text, fields: { producerId, firstOffset, lastOffset, lastStableOffset } }
    if (version !== 0 || firstOffset > lastOffset) {
      yield {
        kind: 'damage',
        problem: true,
        text: `first bad byte at ${at}: version ${version}, offsets ${firstOffset}-${lastOffset}`,
        fields: { position: at },
      }
      return
    }
  }
  if (at !== bytes.length)
    yield {
      kind: 'damage',
      problem: true,
      text: `first bad byte at ${at}: ${bytes.length - at} bytes after the last whole entry`,
      fields: { position: at },
    }
  yield { kind: 'end', text: `${at / TXN_ENTRY} aborted transactions`, fields: { transactions: at / TXN_ENTRY } }
}

/** A version line, a count line, one line per entry. */
export function* dumpCheckpoint(path: string, _options: DumpOptions): Generator<Line> {
  const text = readFileSync(path, 'utf8')
  if (text === '') {
    // Kafka makes the file before it has anything to write into it.
    yield { kind: 'end', text: 'empty', fields: { entries: 0 } }
    return
  }
  const lines = text.split('\n')
  const entries = lines.slice(2).filter((line) => line !== '')
  for (const entry of entries) yield { kind: 'checkpoint', text: entry, fields: { entry: entry.split(' ') } }
  if (lines[0] !== '0') yield { kind: 'damage', problem: true, text: `first bad byte at 0: version ${JSON.stringify(lines[0])} is not 0` }
  else if (lines[1] !== String(entries.length))
    yield { kind: 'damage', problem: true, text: `first bad byte at 2: says ${lines[1]} entries and holds ${entries.length}` }
  else {
    const bad = entries.findIndex((entry) => !/^(\S+ )?-?\d+ -?\d+$/.test(entry))
    if (bad >= 0) yield { kind: 'damage', problem: true, text: `line ${bad + 3} is unreadable: ${JSON.stringify(entries[bad])}` }
  }
  yield { kind: 'end', text: `${entries.length} entries`, fields: { entries: entries.length } }
}

export function* dumpText(path: string): Generator<Line> {
  for (const line of readFileSync(path, 'utf8').split('\n')) if (line !== '') yield { kind: 'text', text: line, fields: { line } }
}
