// Runs one of Kafka's own command line tools, as its shell script would.

import { join } from 'node:path'
import { run, type RunOptions } from './child.js'
import { check } from './client.js'
import { installJavaTools, SOURCES } from './install.js'

const TOOLS = 'org.apache.kafka.tools'
let classPath = ''

/** Before the first `tool`. */
export async function installTools(): Promise<void> {
  classPath = await installJavaTools()
}

/** The command line of a tool; `name` is a class of the tools' package, or whole. */
export function toolLine(name: string, args: readonly string[]): readonly [string, ...string[]] {
  const logging = `-Dlog4j2.configurationFile=${join(SOURCES, 'java/log4j2.yaml')}`
  const jvm = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', logging, '-cp', classPath]
  return ['java', ...jvm, name.startsWith('kafka.') ? name : `${TOOLS}.${name}`, ...args]
}

/** What it printed. */
export async function tool(name: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const [command, ...rest] = toolLine(name, args)
  const { stdout, stderr } = await run(command, rest, { timeoutMs: 120_000, ...options })
  return stdout + stderr
}

export function says(output: string, ...patterns: readonly RegExp[]): void {
  for (const pattern of patterns) check(pattern.test(output), `expected ${pattern} in:\n${output.slice(0, 3000)}`)
}
