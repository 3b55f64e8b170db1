// Hosts of a test: network namespaces on one bridge, so that a node can be cut off from the others as a pulled cable does.
// Needs root and iproute2; `isAvailable` says. Everything is named after this process and removed by `close`.

import { spawnSync } from 'node:child_process'
import { atExit } from './at-exit.js'

function ip(...args: string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr.trim()}`)
}

/** Null: hosts can be made; else why not. */
export function unavailable(): string | null {
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  const probe = `mr${process.pid}p`
  const { status, stderr, error } = spawnSync('ip', ['netns', 'add', probe], { encoding: 'utf8' })
  if (error) return 'iproute2 (ip) is not installed'
  if (status !== 0) return stderr.trim()
  spawnSync('ip', ['netns', 'delete', probe])
  return null
}

/** Hosts 10.77.x.1 … on a bridge whose own address, .254, is this process's way to them. */
export class Network {
  readonly #bridge: string
  readonly #prefix: string
  readonly #hosts = new Map<number, string>()
  readonly #closed: () => void

  constructor() {
    const tag = process.pid % 250
    this.#bridge = `mrb${process.pid}`.slice(0, 15)
    this.#prefix = `10.77.${tag}`
    ip('link', 'add', this.#bridge, 'type', 'bridge')
    ip('addr', 'add', `${this.#prefix}.254/24`, 'dev', this.#bridge)
    ip('link', 'set', this.#bridge, 'up')
    this.#closed = atExit(() => this.#remove())
  }

  /** This process's own, which hosts reach. */
  get gateway(): string {
    return `${this.#prefix}.254`
  }

  address(host: number): string {
    return `${this.#prefix}.${host}`
  }

  /** What a command is started with to run on `host`. */
  commandPrefix(host: number): string[] {
    let name = this.#hosts.get(host)
    if (name === undefined) this.#hosts.set(host, (name = this.#create(host)))
    return ['ip', 'netns', 'exec', name]
  }

  #create(host: number): string {
    const name = `mr${process.pid}h${host}`
    const [outside, inside] = this.#ends(host)
    ip('netns', 'add', name)
    ip('link', 'add', outside, 'type', 'veth', 'peer', 'name', inside)
    ip('link', 'set', inside, 'netns', name)
    ip('link', 'set', outside, 'master', this.#bridge)
    ip('link', 'set', outside, 'up')
    ip('-n', name, 'addr', 'add', `${this.address(host)}/24`, 'dev', inside)
    ip('-n', name, 'link', 'set', inside, 'up')
    ip('-n', name, 'link', 'set', 'lo', 'up')
    return name
  }

  #ends(host: number): [outside: string, inside: string] {
    const tag = `${process.pid}`.slice(-6)
    return [`mv${tag}o${host}`, `mv${tag}i${host}`]
  }

  /** No packet gets to or from the host, and nobody is told. */
  cut(host: number): void {
    ip('link', 'set', this.#ends(host)[0], 'down')
  }

  mend(host: number): void {
    ip('link', 'set', this.#ends(host)[0], 'up')
  }

  close(): void {
    this.#closed()
    this.#remove()
  }

  #remove(): void {
    for (const name of this.#hosts.values()) spawnSync('ip', ['netns', 'delete', name])
    spawnSync('ip', ['link', 'delete', this.#bridge])
  }
}
