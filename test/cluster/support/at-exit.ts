// What is undone when this process ends, however it ends but for SIGKILL: processes, networks and disks of a round that was broken off.

const undone = new Set<() => void>()

process.on('exit', () => {
  for (const undo of [...undone].toReversed()) undo()
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))

/** The function that is given back takes it from the list. */
export function atExit(undo: () => void): () => void {
  undone.add(undo)
  return () => undone.delete(undo)
}
