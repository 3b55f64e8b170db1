// `millrace cluster reassign` and `decommission`: plan moves, show them, do them, watch them.

import { setTimeout as pause } from 'node:timers/promises'
import type { Command } from 'commander'
import type { AdminPort } from '../client.js'
import { CliError, usageError } from '../errors.js'
import { type ClientFlags, collect, parseWhole, withClientFlags } from '../options.js'
import { printJson, printTable, startProgress } from '../output.js'
import { run } from '../run.js'
import { type Move, planMoves } from './plan.js'

interface ReassignFlags extends ClientFlags {
  readonly brokers?: string
  readonly topic?: string[]
  readonly move?: string[]
  readonly throttle?: string
  readonly cancel?: boolean
  readonly list?: boolean
  readonly execute?: boolean
  readonly wait?: boolean
}

export function registerReassign(cluster: Command): void {
  withClientFlags(cluster.command('reassign').description('move partitions between brokers; shows what it would do unless --execute'))
    .option('--brokers <ids>', 'spread partitions over these brokers, comma-separated (default: all)')
    .option('-t, --topic <name>', 'only this topic; repeatable (default: all)', collect)
    .option('-m, --move <topic:partition=ids>', 'put this partition on these brokers, the preferred leader first; repeatable', collect)
    .option('--throttle <bytes>', 'at most so many bytes a second for the copies, per broker; it ends with --wait, else it stays')
    .option('--list', 'show the moves under way')
    .option('--cancel', 'take back the moves under way')
    .option('--execute', 'do it')
    .option('--wait', 'with --execute: until the moves are done')
    .action(run(reassign))
}

export function registerDecommission(cluster: Command): void {
  withClientFlags(
    cluster
      .command('decommission')
      .description('move everything off a broker; shows what it would do unless --execute')
      .argument('<broker>'),
  )
    .option('--throttle <bytes>', 'at most so many bytes a second for the copies, per broker')
    .option('--unregister', 'forget the broker afterwards; it must have been stopped')
    .option('--execute', 'do it, and wait until it is done')
    .action(run(decommission))
}

export function parsePartition(text: string, flag: string): { topic: string; partition: number } {
  const match = /^(.+):(\d+)$/.exec(text)
  if (!match) throw usageError(`${flag} takes TOPIC:PARTITION, and ${JSON.stringify(text)} is not one`)
  return { topic: match[1]!, partition: Number(match[2]) }
}

function parseIds(text: string, flag: string): number[] {
  const ids = text.split(',').map((id) => parseWhole(id, flag, 0, 2_147_483_647))
  if (new Set(ids).size < ids.length) throw usageError(`${flag} names a broker twice: ${text}`)
  return ids
}

function parseMove(text: string): { topic: string; partition: number; to: number[] } {
  const at = text.lastIndexOf('=')
  if (at < 0) throw usageError(`--move takes TOPIC:PARTITION=1,2,3, and ${JSON.stringify(text)} is not one`)
  return { ...parsePartition(text.slice(0, at), '--move'), to: parseIds(text.slice(at + 1), '--move') }
}

async function reassign(flags: ReassignFlags): Promise<void> {
  const { withAdmin } = await import('../client.js')
  await withAdmin(flags, async (port) => {
    if (flags.list) return showUnderWay(port, flags)
    if (flags.cancel) return cancel(port, flags)
    const moves = flags.move ? await namedMoves(port, flags.move) : await balancedMoves(port, flags)
    await show(moves, flags)
    if (!flags.execute) return
    await execute(port, moves, flags.throttle)
    if (flags.wait) await untilDone(port, moves, flags)
  })
}

async function namedMoves(port: AdminPort, texts: readonly string[]): Promise<Move[]> {
  const named = texts.map(parseMove)
  const topics = await port.describeTopics([...new Set(named.map(({ topic }) => topic))])
  return named.map(({ topic, partition, to }) => {
    const state = topics.find(({ name }) => name === topic)?.partitions.find((row) => row.partition === partition)
    if (!state) throw usageError(`${topic} has no partition ${partition}`)
    return { topic, partition, from: state.replicas, to }
  })
}

async function partitionsOf(port: AdminPort, wanted: readonly string[] | undefined) {
  const names = wanted ?? (await port.listTopics())
  const topics = names.length === 0 ? [] : await port.describeTopics(names)
  return topics.flatMap((topic) => topic.partitions.map(({ partition, replicas }) => ({ topic: topic.name, partition, replicas })))
}

async function balancedMoves(port: AdminPort, flags: ReassignFlags): Promise<Move[]> {
  const { brokers } = await port.describeCluster()
  const ids = flags.brokers === undefined ? brokers.map(({ nodeId }) => nodeId) : parseIds(flags.brokers, '--brokers')
  const unknown = ids.find((id) => !brokers.some(({ nodeId }) => nodeId === id))
  if (unknown !== undefined)
    throw usageError(`the cluster has no broker ${unknown}`, `its brokers are ${brokers.map(({ nodeId }) => nodeId).join(', ')}`)
  const chosen = brokers.filter(({ nodeId }) => ids.includes(nodeId)).map(({ nodeId, rack }) => ({ id: nodeId, rack }))
  return planMoves(await partitionsOf(port, flags.topic), chosen, true)
}

async function show(moves: readonly Move[], flags: ReassignFlags | DecommissionFlags): Promise<void> {
  if (flags.json) return printJson({ executed: flags.execute === true, moves })
  if (moves.length === 0) {
    process.stdout.write('nothing has to move\n')
    return
  }
  await printTable(
    ['topic', 'partition', 'from', 'to'],
    moves.map(({ topic, partition, from, to }) => [topic, partition, from.join(','), to.join(',')]),
  )
  if (!flags.execute) process.stdout.write('nothing was changed; add --execute to do it\n')
}

async function execute(port: AdminPort, moves: readonly Move[], throttle: string | undefined): Promise<void> {
  if (moves.length === 0) return
  if (throttle !== undefined) {
    const { setThrottle } = await import('./throttle.js')
    await setThrottle(port, moves, parseWhole(throttle, '--throttle', 1))
  }
  await port.reassign(moves.map(({ topic, partition, to }) => ({ topic, partition, replicas: to })))
}

const LOOK_EVERY_MS = 500

async function untilDone(port: AdminPort, moves: readonly Move[], flags: ClientFlags & { readonly throttle?: string }): Promise<void> {
  let left = (await port.reassignments()).length
  const total = left
  const progress = await startProgress('moving', total, flags.json)
  while (left > 0) {
    progress.update(total - left, `${left} partitions left`)
    await pause(LOOK_EVERY_MS)
    left = (await port.reassignments()).length
  }
  progress.stop()
  if (flags.throttle !== undefined) {
    const { liftThrottle } = await import('./throttle.js')
    await liftThrottle(port, moves)
  }
  if (!flags.json) process.stdout.write('done\n')
}

async function showUnderWay(port: AdminPort, flags: ClientFlags): Promise<void> {
  const rows = await port.reassignments()
  if (flags.json) return printJson(rows)
  await printTable(
    ['topic', 'partition', 'replicas', 'adding', 'removing'],
    rows.map((row) => [row.topic, row.partition, row.replicas.join(','), row.addingReplicas.join(','), row.removingReplicas.join(',')]),
  )
}

async function cancel(port: AdminPort, flags: ReassignFlags): Promise<void> {
  const rows = (await port.reassignments()).filter(({ topic }) => flags.topic === undefined || flags.topic.includes(topic))
  if (rows.length > 0) await port.reassign(rows.map(({ topic, partition }) => ({ topic, partition, replicas: null })))
  if (flags.json) printJson({ cancelled: rows.map(({ topic, partition }) => ({ topic, partition })) })
  else process.stdout.write(`took back ${rows.length} moves\n`)
}

interface DecommissionFlags extends ClientFlags {
  readonly throttle?: string
  readonly unregister?: boolean
  readonly execute?: boolean
}

async function decommission(text: string, flags: DecommissionFlags): Promise<void> {
  const broker = parseWhole(text, 'the broker', 0, 2_147_483_647)
  const { withAdmin } = await import('../client.js')
  await withAdmin(flags, async (port) => {
    const { brokers } = await port.describeCluster()
    const others = brokers.filter(({ nodeId }) => nodeId !== broker).map(({ nodeId, rack }) => ({ id: nodeId, rack }))
    const all = await partitionsOf(port, undefined)
    const holds = all.filter(({ replicas }) => replicas.includes(broker))
    const widest = Math.max(0, ...holds.map(({ replicas }) => replicas.length))
    if (others.length < widest) {
      throw new CliError(
        `broker ${broker} holds partitions of ${widest} replicas, and only ${others.length} other brokers are left`,
        1,
        'add a broker first, or lower the replication factor of those topics with reassign --move',
      )
    }
    // With all partitions, because the others' loads decide who gets what leaves; none of those moves.
    const moves = planMoves(all, others, false)
    await show(moves, flags)
    if (!flags.execute) return
    await execute(port, moves, flags.throttle)
    await untilDone(port, moves, flags)
    if (flags.unregister) await port.unregisterBroker(broker)
  })
}
