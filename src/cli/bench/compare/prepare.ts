// `bench compare --prepare COMMAND`: a person's own command before each row on each server, so that both find the machine in the same state
// (memory touched, caches dropped), as hyperfine's flag of that name does for commands.

import { type ChildProcess, spawn } from 'node:child_process'
import { CliError } from '../../errors.js'

export class Preparation {
  readonly #command: string | undefined
  #running: ChildProcess | undefined

  constructor(command: string | undefined) {
    this.#command = command
  }

  /** Its output goes to stderr. Throws CliError when it fails: rows after it would not be what they claim. */
  async run(): Promise<void> {
    if (this.#command === undefined) return
    const child = spawn(this.#command, { shell: true, stdio: ['ignore', 2, 2] })
    this.#running = child
    const ended = await new Promise<string | undefined>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code, signal) => resolve(code === 0 ? undefined : signal ? `was ended by ${signal}` : `ended with ${code}`))
    })
    this.#running = undefined
    if (ended !== undefined) throw new CliError(`--prepare "${this.#command}" ${ended}`)
  }

  stop(): void {
    this.#running?.kill()
  }
}
