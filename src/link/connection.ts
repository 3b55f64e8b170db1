// One WebSocket of either end from its opening to its close: first the handshake, then a session. Until the peer has proved who it is, nothing
// longer than a handshake frame is looked at, nothing else is sent, and the time is limited. Runs on the link thread.

import type { Env, Timer } from '../env/env.js'
import { MAX_HANDSHAKE_FRAME } from './frames.js'
import type { Agreed, DialerHandshake, HandshakeStep, Refusal, ServerHandshake } from './handshake.js'
import type { RoutedLink } from './router-door.js'
import { type IncomingItem, LinkSession, type LinkTransport } from './session.js'
import type { LinkSettings } from './settings.js'

export interface ConnectionEvents {
  authenticated(agreed: Agreed): void
  refused(refusal: Refusal, told: boolean): void
  items(items: readonly IncomingItem[], frame?: Uint8Array): void
  /** See SessionEvents; left out where the transport reads into memory of its own. */
  room?(correlation: number, bytes: number): Uint8Array | undefined
  /** Bytes left: there may be room for more. */
  drained(): void
  closed(reason: string): void
}

export interface ConnectionParts {
  readonly env: Env
  readonly settings: LinkSettings
  readonly transport: LinkTransport
  readonly handshake: DialerHandshake | ServerHandshake
  readonly events: ConnectionEvents
  /** Frames are built here, by every connection of the thread in turn. */
  readonly scratch: Uint8Array
}

let nextId = 1

export class LinkConnection implements RoutedLink {
  readonly id = nextId++
  private readonly parts: ConnectionParts
  private active: LinkSession | undefined
  private timer: Timer
  private woken = false
  private over = false

  constructor(parts: ConnectionParts) {
    this.parts = parts
    const { env, settings } = parts
    this.timer = env.timers.after(settings.handshakeTimeoutMs, () =>
      this.close(`the handshake took longer than ${settings.handshakeTimeoutMs} ms (link handshakeTimeoutMs)`),
    )
  }

  get authenticated(): boolean {
    return this.active !== undefined
  }

  get session(): LinkSession {
    if (!this.active) throw new Error('this link has not proved who it is')
    return this.active
  }

  /** The bytes die with the call. */
  receive(frame: Uint8Array): void {
    if (this.over) return
    if (this.active) this.active.receive(frame, this.parts.env.clock.monotonic())
    else if (frame.length > MAX_HANDSHAKE_FRAME) this.close(`a first frame of ${frame.length} bytes; the limit is ${MAX_HANDSHAKE_FRAME}`)
    else this.act(this.parts.handshake.receive(frame))
  }

  /** A frame has begun: memory for it, if it may lie elsewhere than in the transport's. */
  room(head: Uint8Array, bytes: number): Uint8Array | undefined {
    return this.over ? undefined : this.active?.room(head, bytes)
  }

  /** After this turn of the event loop, so that what it brings leaves together. */
  wake(): void {
    if (this.woken || this.over) return
    this.woken = true
    setImmediate(() => {
      this.woken = false
      this.pump()
    })
  }

  /** The transport has room again. */
  pump(): void {
    if (this.over || !this.active) return
    const more = this.active.pump()
    this.parts.events.drained()
    if (more) this.wake()
  }

  close(reason: string): void {
    if (this.over) return
    this.over = true
    this.timer.cancel()
    this.active?.end()
    this.parts.transport.close(!this.authenticated)
    this.parts.events.closed(reason)
  }

  private act(step: HandshakeStep): void {
    const { transport, events } = this.parts
    if (step.frame && !transport.send(step.frame)) return this.close('the connection takes no more bytes')
    if (step.kind === 'refused') {
      events.refused(step.refusal, step.told)
      this.close(step.refusal.text)
    } else if (step.kind === 'done') this.begin(step.agreed)
  }

  private begin(agreed: Agreed): void {
    const { env, settings, transport, events, scratch } = this.parts
    this.timer.cancel()
    this.active = new LinkSession(
      agreed,
      settings,
      transport,
      {
        items: (items, frame) => events.items(items, frame),
        room: (correlation, bytes) => events.room?.(correlation, bytes),
        broken: (reason) => this.close(reason),
        credited: () => this.wake(),
      },
      scratch,
      env.clock.monotonic(),
    )
    // Twice in a ping interval is often enough for both of its limits.
    this.timer = env.timers.every(settings.pingIntervalMs / 2, () => this.active?.tick(env.clock.monotonic()))
    events.authenticated(agreed)
  }
}
