// The child of log-kill.test.ts: appends numbered batches as fast as it can, idempotently, and says on stdout what it may
// acknowledge. Killed from outside.

import { writeSync } from 'node:fs'
import { Log } from '../../src/log/log.js'
import { runPoolTask } from '../../src/log/pool-tasks.js'
import { realEnv } from '../../src/env/real.js'
import { numberedBatch, writerConfig } from './numbered.js'

const [dir, promise, from] = [process.argv[2]!, process.argv[3]!, Number(process.argv[4])]

const log = await Log.open({
  dir,
  topicPartition: { topic: 'events', partition: 0 },
  topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
  config: writerConfig,
  env: realEnv(),
  cleanShutdown: false,
  recoveryPoint: 0,
  logStartOffset: 0,
  runInPool: runPoolTask,
})

/** `number` counts batches; a batch the log already has comes back as a duplicate. */
let number = from
for (;;) {
  const last = number + 20
  for (; number < last; number++) {
    const result = log.appendAsLeader(numberedBatch(number), 0, 'client', 12)
    if (result.errorCode !== 0) throw new Error(`${result.errorCode}: ${result.errorMessage}`)
  }
  if (log.flushStaged() !== 0) throw new Error('flush failed')
  if (promise === 'disk') await log.sync()
  else await new Promise((resolve) => setImmediate(resolve))
  writeSync(1, `${number}\n`)
}
