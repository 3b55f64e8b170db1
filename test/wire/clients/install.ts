// Brings what the clients need into .cache/clients, which git ignores: once, and never into the system but for kcat.

import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './child.js'
import { Unavailable } from './client.js'

export const ROOT = fileURLToPath(new URL('../../../../', import.meta.url))
export const SOURCES = join(ROOT, 'test/wire/clients')
export const CACHE = join(ROOT, '.cache/clients')

async function found(command: string, args: readonly string[]): Promise<boolean> {
  return run(command, args, { timeoutMs: 30_000 }).then(
    () => true,
    () => false,
  )
}

async function needs(command: string, args: readonly string[], hint: string): Promise<void> {
  if (!(await found(command, args))) throw new Unavailable(`${command} is missing: ${hint}`)
}

async function attempt(what: string, work: () => Promise<unknown>): Promise<void> {
  await work().catch((error: unknown) => {
    throw new Unavailable(`${what} could not be installed: ${error instanceof Error ? error.message : String(error)}`)
  })
}

export async function installKcat(): Promise<void> {
  if (await found('kcat', ['-V'])) return
  if (process.getuid?.() !== 0 || !(await found('apt-get', ['--version']))) throw new Unavailable('kcat is missing: apt-get install kcat')
  await attempt('kcat', async () => {
    await run('apt-get', ['update', '-qq'], { timeoutMs: 180_000 })
    await run('apt-get', ['install', '-y', '-qq', 'kcat'], { timeoutMs: 300_000, env: { DEBIAN_FRONTEND: 'noninteractive' } })
  })
}

/** kafka-python reads snappy, lz4 and zstd through packages of their own. */
const PYTHON_PACKAGES = ['confluent-kafka==2.16.1', 'kafka-python==3.0.12', 'python-snappy==0.7.3', 'lz4==4.4.5', 'zstandard==0.25.0']

/** The interpreter of a virtual environment with the packages. */
export async function installPython(): Promise<string> {
  const home = join(CACHE, 'python')
  const python = join(home, 'bin/python')
  const mark = join(home, `installed-${PYTHON_PACKAGES.join('-')}`)
  if (existsSync(mark)) return python
  await needs('python3', ['--version'], 'apt-get install python3 python3-venv')
  mkdirSync(CACHE, { recursive: true })
  await attempt('confluent-kafka', async () => {
    rmSync(home, { recursive: true, force: true })
    await run('python3', ['-m', 'venv', home])
    await run(join(home, 'bin/pip'), ['install', '-q', '--disable-pip-version-check', ...PYTHON_PACKAGES], { timeoutMs: 300_000 })
  })
  writeFileSync(mark, '')
  return python
}

function newer(target: string, source: string): boolean {
  return existsSync(target) && statSync(target).mtimeMs >= statSync(source).mtimeMs
}

/** The scenario program of franz-go. */
export async function installFranzGo(): Promise<string> {
  const program = join(CACHE, 'franzgo')
  if (['main.go', 'stream.go', 'go.mod'].every((name) => newer(program, join(SOURCES, 'franz-go', name)))) return program
  await needs('go', ['version'], 'install Go 1.26 or newer')
  mkdirSync(CACHE, { recursive: true })
  await attempt('franz-go', () => run('go', ['build', '-o', program, '.'], { cwd: join(SOURCES, 'franz-go'), timeoutMs: 300_000 }))
  return program
}

async function jars(set: 'tools' | 'client'): Promise<string> {
  const pom = join(SOURCES, `java/${set}.pom.xml`)
  const target = join(CACHE, `java-${set}`)
  const mark = join(target, 'installed')
  if (newer(mark, pom)) return join(target, '*')
  await needs('java', ['-version'], 'apt-get install openjdk-17-jdk-headless')
  await needs('mvn', ['-v'], 'apt-get install maven')
  await attempt(`Kafka's ${set}`, async () => {
    rmSync(target, { recursive: true, force: true })
    await run('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${target}`, '-DincludeScope=runtime'], {
      timeoutMs: 600_000,
    })
  })
  writeFileSync(mark, '')
  return join(target, '*')
}

/** The class path of Kafka's command line tools. */
export async function installJavaTools(): Promise<string> {
  return jars('tools')
}

const JAVA_PROGRAMS = ['ClientScenario', 'StreamScenario']

/** The class path of the Java client and its compiled scenario programs. */
export async function installJavaClient(): Promise<string> {
  const libraries = await jars('client')
  const classes = join(CACHE, 'java-scenario')
  const source = (name: string): string => join(SOURCES, `java/${name}.java`)
  if (!JAVA_PROGRAMS.every((name) => newer(join(classes, `${name}.class`), source(name)))) {
    await attempt('the Java scenarios', () => run('javac', ['-d', classes, '-cp', libraries, ...JAVA_PROGRAMS.map(source)]))
  }
  return `${libraries}:${classes}`
}
