// `millrace cluster`: runs several nodes on this machine; status, reassign, elect, decommission for any cluster.

import type { Command } from 'commander'
import { registerElect } from './cluster/elect.js'
import { registerDecommission, registerReassign } from './cluster/reassign.js'
import { registerStatus } from './cluster/status.js'
import { collect } from './options.js'
import { run } from './run.js'
import type { LocalClusterFlags } from './cluster/local.js'

export function registerCluster(program: Command): void {
  const cluster = program
    .command('cluster')
    .description('run a cluster on this machine for development; look after any cluster')
    .option('-n, --nodes <count>', 'how many nodes (default: 3)')
    .option('-d, --data-dir <dir>', 'keep their data below here (default: ./cluster)')
    .option('--base-port <port>', 'Kafka port of the first node; the others follow (default: 9092)')
    .option('-s, --set <key=value>', 'one setting of every node; repeatable', collect)
    .option('--log-level <level>', 'trace, debug, info, warn, error, fatal or silent (default: warn)')
    .option('--json', 'print the ready line as JSON')
    .action(
      run(async (flags: LocalClusterFlags) => {
        const { runLocalCluster } = await import('./cluster/local.js')
        return runLocalCluster(flags)
      }),
    )
  registerStatus(cluster)
  registerReassign(cluster)
  registerElect(cluster)
  registerDecommission(cluster)
}
