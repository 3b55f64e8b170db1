// `millrace cluster elect`: preferred leaders, or any live replica where none in sync is left.

import type { Command } from 'commander'
import { type ClientFlags, collect, withClientFlags } from '../options.js'
import { printJson, printTable } from '../output.js'
import { run } from '../run.js'
import { parsePartition } from './reassign.js'

interface ElectFlags extends ClientFlags {
  readonly partition?: string[]
  readonly unclean?: boolean
}

export function registerElect(cluster: Command): void {
  withClientFlags(cluster.command('elect').description('give partitions their preferred leaders'))
    .option('-p, --partition <topic:partition>', 'this partition; repeatable (default: all)', collect)
    .option('--unclean', 'any live replica, where none in sync is left: acknowledged records may be lost')
    .action(run(elect))
}

async function elect(flags: ElectFlags): Promise<void> {
  const partitions = flags.partition?.map((text) => parsePartition(text, '--partition')) ?? null
  const { withAdmin } = await import('../client.js')
  const elected = await withAdmin(flags, (port) => port.electLeaders(flags.unclean ? 'unclean' : 'preferred', partitions))
  if (flags.json) return printJson({ elected })
  if (elected.length === 0) process.stdout.write('every partition has that leader already\n')
  else
    await printTable(
      ['topic', 'partition'],
      elected.map(({ topic, partition }) => [topic, partition]),
    )
}
