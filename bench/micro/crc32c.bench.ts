// CRC32C over the sizes of batches: the addon (broker), the registry package (client), ours in JavaScript (fallback), and kafkajs'.

import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { Bench } from 'tinybench'
import { native } from '../../src/log/native.js'
import { crc32c } from '../../src/protocol/records/index.js'
import { crc32cInJavaScript } from '../../src/protocol/records/crc32c.js'

const require = createRequire(import.meta.url)

export async function run(): Promise<void> {
  const kafkajs = require('kafkajs/src/protocol/recordBatch/crc32C/index.js') as (bytes: Buffer) => number
  const addon = native()
  const bench = new Bench({ time: 200, warmupTime: 100 })
  const sizes = new Map<string, number>()
  for (const size of [128, 1024, 16 * 1024, 256 * 1024]) {
    const bytes = Buffer.alloc(size, 5)
    const forms: readonly (readonly [string, () => number])[] = [
      ['addon', () => addon.crc32c(bytes, 0, size)],
      ['@node-rs/crc32', () => crc32c(bytes)],
      ['JavaScript, ours', () => crc32cInJavaScript(bytes)],
      ['JavaScript, kafkajs', () => kafkajs(bytes) >>> 0],
    ]
    if (new Set(forms.map(([, form]) => form() >>> 0)).size !== 1) throw new Error(`the forms do not agree on ${size} bytes`)
    for (const [name, form] of forms) {
      const title = `${size} bytes: ${name}`
      sizes.set(title, size)
      bench.add(title, () => {
        form()
      })
    }
  }
  await bench.run()
  console.table(
    bench.tasks.map((task) => {
      const { latency } = task.result as unknown as { latency: { mean: number } }
      return { what: task.name, ns: Math.round(latency.mean * 1e6), 'MB/s': Math.round(sizes.get(task.name)! / latency.mean / 1000) }
    }),
  )
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await run()
