// `millrace cluster status`: brokers, controller, ensemble, and what is not as it should be.

import type { Command } from 'commander'
import type { QuorumDescription } from '../../client/index.js'
import type { AdminPort } from '../client.js'
import { ExitCode } from '../errors.js'
import { type ClientFlags, formatAddress, withClientFlags } from '../options.js'
import { printJson, printTable } from '../output.js'
import { run } from '../run.js'

export function registerStatus(cluster: Command): void {
  withClientFlags(cluster.command('status').description('brokers, controller, ensemble, partitions that lack a leader or replicas')).action(
    run(status),
  )
}

interface Status {
  readonly clusterId: string
  readonly controllerId: number
  readonly brokers: readonly {
    readonly id: number
    readonly address: string
    readonly rack: string | null
    readonly leads: number
    readonly replicas: number
  }[]
  readonly ensemble: readonly {
    readonly id: number
    readonly role: 'leader' | 'voter' | 'observer'
    readonly logEndOffset: number
    readonly lag: number | null
  }[]
  /** Why nobody could say who is in the ensemble; null: it was said. */
  readonly ensembleProblem: string | null
  readonly partitions: number
  readonly withoutLeader: readonly string[]
  readonly underReplicated: readonly string[]
  readonly moving: number
}

/** A cluster that is asked because it is in trouble may have no leader of the ensemble: the rest is shown all the same. */
const QUORUM_MS = 5_000
const UNKNOWN_QUORUM = { leaderId: -1, voters: [], observers: [] }

type Quorum = Pick<QuorumDescription, 'leaderId' | 'voters' | 'observers'> & { readonly problem: string | null }

function quorumOf(port: AdminPort): Promise<Quorum> {
  return port.describeQuorum(QUORUM_MS).then(
    (quorum) => ({ ...quorum, problem: null }),
    (error: Error) => ({ ...UNKNOWN_QUORUM, problem: error.message }),
  )
}

async function read(port: AdminPort): Promise<Status> {
  const [cluster, quorum, names, moving] = await Promise.all([
    port.describeCluster(),
    quorumOf(port),
    port.listTopics(),
    port.reassignments(),
  ])
  const topics = names.length === 0 ? [] : await port.describeTopics(names)
  const partitions = topics.flatMap((topic) => topic.partitions.map((row) => ({ name: `${topic.name}-${row.partition}`, ...row })))
  const end = Math.max(0, ...quorum.voters.map((member) => member.logEndOffset))
  const members = [
    ...quorum.voters.map((member) => ({ member, role: member.nodeId === quorum.leaderId ? ('leader' as const) : ('voter' as const) })),
    ...quorum.observers.map((member) => ({ member, role: 'observer' as const })),
  ]
  return {
    clusterId: cluster.clusterId,
    controllerId: cluster.controllerId,
    brokers: cluster.brokers
      .toSorted((a, b) => a.nodeId - b.nodeId)
      .map((broker) => ({
        id: broker.nodeId,
        address: formatAddress(broker),
        rack: broker.rack,
        leads: partitions.filter(({ leader }) => leader === broker.nodeId).length,
        replicas: partitions.filter(({ replicas }) => replicas.includes(broker.nodeId)).length,
      })),
    ensemble: members.map(({ member, role }) => ({
      id: member.nodeId,
      role,
      logEndOffset: member.logEndOffset,
      lag: member.logEndOffset < 0 ? null : Math.max(0, end - member.logEndOffset),
    })),
    ensembleProblem: quorum.problem,
    partitions: partitions.length,
    withoutLeader: partitions.filter(({ leader }) => leader < 0).map(({ name }) => name),
    underReplicated: partitions.filter(({ isr, replicas }) => isr.length < replicas.length).map(({ name }) => name),
    moving: moving.length,
  }
}

const SHOWN = 10

async function status(flags: ClientFlags): Promise<number> {
  const { withAdmin } = await import('../client.js')
  const now = await withAdmin(flags, read)
  const sound = now.withoutLeader.length === 0 && now.underReplicated.length === 0
  const code = sound ? ExitCode.ok : ExitCode.unsound
  if (flags.json) {
    printJson({ ...now, sound })
    return code
  }
  process.stdout.write(`cluster ${now.clusterId}  controller ${now.controllerId}  ${now.partitions} partitions, ${now.moving} moving\n`)
  await printTable(
    ['broker', 'address', 'rack', 'leads', 'replicas'],
    now.brokers.map(({ id, address, rack, leads, replicas }) => [id, address, rack, leads, replicas]),
  )
  if (now.ensembleProblem !== null) process.stdout.write(`the ensemble could not be described: ${now.ensembleProblem}\n`)
  else
    await printTable(
      ['member', 'role', 'log end', 'lag'],
      now.ensemble.map(({ id, role, logEndOffset, lag }) => [id, role, logEndOffset < 0 ? null : logEndOffset, lag]),
    )
  list('without a leader', now.withoutLeader)
  list('under-replicated', now.underReplicated)
  if (sound) process.stdout.write('every partition has its leader and all its replicas in sync\n')
  return code
}

function list(what: string, names: readonly string[]): void {
  if (names.length === 0) return
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : ''
  process.stdout.write(`${names.length} partitions ${what}: ${names.slice(0, SHOWN).join(', ')}${more}\n`)
}
