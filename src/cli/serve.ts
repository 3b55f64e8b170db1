// `millrace serve`: flags and file → static settings → one node, until a signal.

import type { Command } from 'commander'
import { collect } from './options.js'
import { run } from './run.js'

export interface ServeFlags {
  readonly listen?: string[]
  readonly advertise?: string
  readonly dataDir?: string[]
  readonly nodeId?: string
  readonly link?: string
  readonly ensemble?: string
  readonly ensembleClient?: string
  readonly zookeeper?: string
  readonly workers?: string
  readonly config?: string
  readonly set?: string[]
  readonly logLevel?: string
  readonly json?: boolean
}

export function registerServe(program: Command): void {
  program
    .command('serve')
    .description('run a node')
    .option('-l, --listen <host:port>', 'accept Kafka clients here; repeatable; port 0 takes a free one (default: 127.0.0.1:9092)', collect)
    .option('--advertise <host:port>', 'the address clients are told to use, where it differs (NAT, containers)')
    .option('-d, --data-dir <dir>', 'keep data here; repeatable (default: ./data)', collect)
    .option('--node-id <id>', 'id of this node (default: 1)')
    .option('--link <host:port>', 'let the other nodes of a cluster reach this one here')
    .option('--ensemble <id@host:port,...>', 'the voting members of the ensemble, the same on every node (default: this node alone)')
    .option('--ensemble-client <host:port>', 'serve ZooKeeper clients here')
    .option('--zookeeper <host:port,...[/chroot]>', 'coordinate by this Apache ZooKeeper ensemble instead')
    .option('--workers <count>', 'threads that own partitions (default: one less than the cores, 1 to 8)')
    .option('-c, --config <file>', "settings, .properties or .toml, under Kafka's names")
    .option('-s, --set <key=value>', 'one setting; repeatable, wins over the file', collect)
    .option('--log-level <level>', 'trace, debug, info, warn, error, fatal or silent (default: info)')
    .option('--json', 'print the ready line as JSON')
    .action(run(async (flags: ServeFlags) => (await import('./serve/serve-node.js')).serveNode(flags)))
}
