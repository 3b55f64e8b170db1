// The server under test when no other is named: this project's own, as a process with a temporary data directory.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ended, start } from './child.js'

export interface RunningServer {
  readonly bootstrap: string
  readonly dataDir: string
  readonly pid: number
  stop(): Promise<void>
  /** As a crash: SIGKILL, the data directory stays. */
  kill(): Promise<void>
}

export interface ServerOptions {
  readonly dataDir?: string
  readonly listen?: string
  readonly args?: readonly string[]
}

const MAIN = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url))

export async function startServer(options: ServerOptions = {}): Promise<RunningServer> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'millrace-clients-'))
  const args = ['serve', '--listen', options.listen ?? '127.0.0.1:0', '--data-dir', dataDir, ...(options.args ?? [])]
  const child = start(process.execPath, [MAIN, ...args])
  let said = ''
  const bootstrap = await new Promise<string>((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`the server was not ready within 30 s:\n${said.slice(-2000)}`)), 30_000)
    const listen = (chunk: Buffer): void => {
      said = (said + chunk.toString()).slice(-20_000)
      const ready = /millrace ready kafka=([^\s,]+)/.exec(said)
      if (!ready) return
      clearTimeout(limit)
      resolve(ready[1]!)
    }
    child.stdout!.on('data', listen)
    child.stderr!.on('data', listen)
    child.once('close', (code) => {
      clearTimeout(limit)
      reject(new Error(`the server ended with ${code}:\n${said.slice(-2000)}`))
    })
  })
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    child.kill(signal)
    await ended(child)
  }
  return {
    bootstrap,
    dataDir,
    pid: child.pid!,
    kill: () => end('SIGKILL'),
    stop: async () => {
      await end('SIGTERM')
      if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true })
    },
  }
}
