// Child processes of the client scenarios: run to the end with a limit, and all of them ended when this process ends.

import { spawn, type ChildProcess } from 'node:child_process'

const running = new Set<ChildProcess>()

export function endAllChildren(): void {
  for (const child of running) child.kill('SIGKILL')
}

process.on('exit', endAllChildren)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))

export interface RunOptions {
  readonly input?: string
  readonly timeoutMs?: number
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Exit codes besides 0 that are fine. */
  readonly accept?: readonly number[]
}

export interface Output {
  readonly stdout: string
  readonly stderr: string
}

export function start(command: string, args: readonly string[], options: RunOptions = {}): ChildProcess {
  const child = spawn(command, args, {
    ...(options.cwd ? { cwd: options.cwd } : {}),
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  running.add(child)
  child.once('close', () => running.delete(child))
  // A child that ends without reading its input breaks the pipe; its exit code says what happened.
  child.stdin!.on('error', () => undefined)
  return child
}

/** Runs a command to its end; a failure's error carries the beginning and the end of what it printed. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = start(command, args, options)
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout!.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr!.on('data', (chunk: Buffer) => err.push(chunk))
    let late = false
    const limit = setTimeout(() => {
      late = true
      child.kill('SIGKILL')
    }, options.timeoutMs ?? 120_000)
    child.once('error', (error) => {
      clearTimeout(limit)
      running.delete(child)
      reject(error)
    })
    child.once('close', (code, signal) => {
      clearTimeout(limit)
      const output = { stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }
      if (code === 0 || options.accept?.includes(code ?? -1)) return resolve(output)
      const why = late ? `did not end within ${(options.timeoutMs ?? 120_000) / 1000} s` : `ended with ${code ?? signal}`
      reject(new Error(`${[command, ...args].join(' ').slice(0, 400)} ${why}\n${tail(output.stderr)}\n${tail(output.stdout)}`))
    })
    child.stdin!.end(options.input ?? '')
  })
}

function tail(text: string): string {
  const lines = text.trimEnd().split('\n')
  // What went wrong stands first in a Java trace, what it led to stands last.
  const shown = lines.length <= 30 ? lines : [...lines.slice(0, 15), '…', ...lines.slice(-15)]
  return shown
    .map((line) => line.slice(0, 400))
    .join('\n')
    .slice(0, 6000)
}

export function ended(child: ChildProcess): Promise<void> {
  return child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once('close', () => resolve()))
}
