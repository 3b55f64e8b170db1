// Runs the command line as a child process, as a person would, and starts nodes for it.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestContext } from 'node:test'
import { patience, STEP_MS } from '../support/patience.js'

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
const DEADLINE_MS = 60_000

export interface Result {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly input?: string
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
}

function environment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { MILLRACE_BOOTSTRAP: _, npm_lifecycle_event: __, ...rest } = process.env
  return { ...rest, ...extra }
}

export function cli(args: readonly string[], options: RunOptions = {}): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], { env: environment(options.env), cwd: options.cwd })
    const left = patience(DEADLINE_MS)
    const watch = setInterval(() => left() <= 0 && child.kill('SIGKILL'), STEP_MS)
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.on('error', reject)
    child.on('close', (code) => {
      clearInterval(watch)
      resolve({ code, stdout, stderr })
    })
    child.stdin.end(options.input ?? '')
  })
}

export function temporaryDir(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-cli-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** One that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** A command that goes on until it is stopped; killed when the test ends. */
export interface Running {
  readonly process: ChildProcess
  /** Standard output up to now. */
  output(): string
  /** Standard error up to now. */
  errors(): string
  /** Resolves once what it has printed matches; rejects when it ends without. */
  says(what: RegExp): Promise<void>
  /** Sends the signal and waits for the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

export function startCli(t: TestContext, args: readonly string[], stdin: 'ignore' | 'pipe' = 'ignore'): Running {
  const child = spawn(process.execPath, [MAIN, ...args], { env: environment(), stdio: [stdin, 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  let look = (): void => undefined
  child.stdout!.on('data', (chunk: Buffer) => ((stdout += chunk.toString()), look()))
  child.stderr!.on('data', (chunk: Buffer) => ((stderr += chunk.toString()), look()))
  const exited = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)))
  const stop = (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> => {
    if (child.exitCode === null) child.kill(signal)
    return exited
  }
  t.after(() => stop('SIGKILL'))
  const says = (what: RegExp): Promise<void> =>
    new Promise((resolve, reject) => {
      look = () => void (what.test(stdout + stderr) && resolve())
      look()
      void exited.then((code) => reject(new Error(`${args[0]} ended with ${code} and never said ${what}: ${stdout}${stderr}`)))
    })
  return { process: child, output: () => stdout, errors: () => stderr, says, stop }
}

export interface Node extends Running {
  readonly bootstrap: string
  readonly dataDir: string
}

/** `millrace serve` on a free port; stopped when the test ends. */
export async function startNode(t: TestContext, args: readonly string[] = [], dataDir?: string): Promise<Node> {
  const dir = dataDir ?? join(temporaryDir(t), 'data')
  const node = startCli(t, ['serve', '--listen', '127.0.0.1:0', '--data-dir', dir, '--log-level', 'warn', ...args])
  await node.says(/127\.0\.0\.1:\d+[^]*\n$/)
  return { ...node, bootstrap: /(127\.0\.0\.1:\d+)/.exec(node.output())![1]!, dataDir: dir }
}
