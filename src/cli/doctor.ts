// `millrace doctor`: what a node on this machine, and clients of a running broker, will stumble over; each with its fix.

import type { Command } from 'commander'
import { ExitCode } from './errors.js'
import { bootstrapOf, collect, timeoutOf, withClientFlags } from './options.js'
import type { ClientFlags } from './options.js'
import { printJson } from './output.js'
import { run } from './run.js'

/** One finding. `fix` is given unless all is well. */
export interface Finding {
  readonly level: 'OK' | 'WARN' | 'FAIL'
  readonly check: string
  readonly text: string
  readonly fix?: string
}

interface DoctorFlags extends ClientFlags {
  readonly dataDir?: string[]
  readonly listen?: string[]
  readonly advertise?: string
  readonly config?: string
  readonly set?: string[]
}

export function registerDoctor(program: Command): void {
  const command = program
    .command('doctor')
    .description('check this machine, the data directory and a running broker, and say what to fix')
    .option('-d, --data-dir <dir>', 'data directory to check; repeatable (default: ./data)', collect)
    .option('-l, --listen <host:port>', 'address a node would listen on; repeatable (default: 127.0.0.1:9092)', collect)
    .option('--advertise <host:port>', 'address clients would be told')
    .option('-c, --config <file>', 'settings a node would be started with')
    .option('-s, --set <key=value>', 'one setting; repeatable', collect)
  withClientFlags(command).addHelpText('after', '\nExits with 5 when a check is FAIL. Warnings alone exit with 0.').action(run(doctor))
}

async function doctor(flags: DoctorFlags, command: Command): Promise<number> {
  const { brokerOptions, flagSettings } = await import('./serve/node-options.js')
  const { loadStaticConfig } = await import('../broker/config/static-config.js')
  const machine = await import('./doctor/machine.js')
  const network = await import('./doctor/network.js')
  const findings: Finding[] = []
  const add = (...found: Finding[]): void => {
    findings.push(...found)
    if (!flags.json) for (const finding of found) process.stdout.write(line(finding, colour))
  }
  const { default: colors } = await import('picocolors')
  const paint = { OK: colors.green, WARN: colors.yellow, FAIL: colors.red }
  const colour = (level: Finding['level']): string => (process.stdout.isTTY ? paint[level](level.padEnd(4)) : level.padEnd(4))

  const { properties, warnings } = loadStaticConfig({ file: flags.config, set: flags.set, flags: flagSettings(flags) })
  const options = brokerOptions(properties)
  add(machine.checkNode(), machine.checkAddon(), machine.checkClock(), machine.checkDescriptors(), machine.checkMemory(options.workers))
  for (const warning of warnings) add({ level: 'WARN', check: 'settings', text: warning, fix: 'remove the setting' })
  for (const dir of options.dataDirs) add(...machine.checkDataDir(dir))

  const explicit = command.getOptionValueSource('bootstrap') !== 'default'
  const servers = bootstrapOf(flags)
  const running = await network.firstReachable(servers)
  for (const address of options.listen) add(await network.checkPort(address, running))
  add(...(await network.checkAdvertised(options.listen, options.advertise)))
  if (running) add(...(await network.checkBroker(running, timeoutOf(flags))))
  else {
    const text = `no broker answers at ${servers.join(', ')}${explicit ? '' : '; checked this machine only'}`
    add({
      level: explicit ? 'FAIL' : 'OK',
      check: 'broker',
      text,
      ...(explicit ? { fix: 'start one with millrace serve, or check the address and the firewall between' } : {}),
    })
  }
  if (flags.json) printJson({ findings })
  return findings.some((finding) => finding.level === 'FAIL') ? ExitCode.unsound : ExitCode.ok
}

function line(finding: Finding, colour: (level: Finding['level']) => string): string {
  return `${colour(finding.level)}  ${finding.check}: ${finding.text}\n${finding.fix ? `      fix: ${finding.fix}\n` : ''}`
}
