// How many segments are scanned at the same time after an unclean stop: num.recovery.threads.per.data.dir for each directory, so that
// a disk is neither idle nor thrashed. Other work of the background pool passes. Runs on the thread coordinator.

import { dirname } from 'node:path'
import type { PoolTask } from '../log/pool-tasks.js'

interface Lane {
  running: number
  readonly waiting: (() => void)[]
}

export class RecoveryThreads {
  private readonly perDir: () => number
  private readonly run: (task: PoolTask) => Promise<unknown>
  private readonly lanes = new Map<string, Lane>()

  constructor(perDir: () => number, run: (task: PoolTask) => Promise<unknown>) {
    this.perDir = perDir
    this.run = run
  }

  readonly submit = async (task: PoolTask): Promise<unknown> => {
    if (task.name !== 'recoverSegment') return this.run(task)
    const lane = this.lane(dirname(task.dir))
    if (lane.running >= this.perDir()) await new Promise<void>((resolve) => lane.waiting.push(resolve))
    else lane.running++
    try {
      return await this.run(task)
    } finally {
      // Its place goes to the next one; several, when the setting was raised meanwhile.
      lane.running--
      while (lane.waiting.length > 0 && lane.running < this.perDir()) {
        lane.running++
        lane.waiting.shift()!()
      }
    }
  }

  private lane(dir: string): Lane {
    let lane = this.lanes.get(dir)
    if (!lane) this.lanes.set(dir, (lane = { running: 0, waiting: [] }))
    return lane
  }
}
