// Runs the command line as a child process, as a person would, and starts nodes for it.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestContext } from 'node:test'

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
    const child = spawn(process.execPath, [MAIN, ...args], {
      env: environment(options.env),
      cwd: options.cwd,
      timeout: DEADLINE_MS,
      killSignal: 'SIGKILL',
    })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
    child.stdin.end(options.input ?? '')
  })
}

export interface Node {
  readonly bootstrap: string
  readonly process: ChildProcess
  readonly dataDir: string
  /** Standard output up to now. */
  output(): string
  /** Standard error up to now. */
  errors(): string
  /** Sends the signal and waits for the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

export function temporaryDir(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-cli-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** `millrace serve` on a free port; stopped when the test ends. */
export async function startNode(t: TestContext, args: readonly string[] = [], dataDir?: string): Promise<Node> {
  const dir = dataDir ?? join(temporaryDir(t), 'data')
  const child = spawn(process.execPath, [MAIN, 'serve', '--listen', '127.0.0.1:0', '--data-dir', dir, '--log-level', 'warn', ...args], {
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const exited = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)))
  const stop = (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> => {
    if (child.exitCode === null) child.kill(signal)
    return exited
  }
  t.after(() => stop('SIGKILL'))
  const bootstrap = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString()
      const address = /(127\.0\.0\.1:\d+)/.exec(stdout)?.[1]
      if (address && stdout.endsWith('\n')) resolve(address)
    })
    void exited.then((code) => reject(new Error(`serve ended with ${code} before it was ready: ${stderr}`)))
  })
  return { bootstrap, process: child, dataDir: dir, output: () => stdout, errors: () => stderr, stop }
}
