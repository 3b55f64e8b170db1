// Before a clean stop: others take over what this node leads, as long as they can and it does not take too long. Where nobody could (all stop
// at once, the ensemble has no majority any more) nothing is waited for. Runs on the thread coordinator.

import type { ControllerApi } from '../controller/controller-api.js'
import type { ControllerNode } from '../controller/controller-node.js'
import { isActive, type MetadataImage } from '../controller/image.js'
import type { Env } from '../env/env.js'
import { inTime } from '../env/in-time.js'
import { pauseFor } from '../env/pause.js'
import { errors } from '../model/errors.js'

export interface HandOverOptions {
  readonly env: Env
  readonly nodeId: number
  readonly control: Pick<ControllerNode, 'api' | 'client' | 'registration' | 'view'>
}

type ShutdownAnswer = Awaited<ReturnType<ControllerApi['controlledShutdown']>>

const LIMIT_MS = 10_000
const AGAIN_MS = 100
/** The ensemble elects another leader in less; without one for longer there is no majority to do it. */
const NO_QUORUM_MS = 1500

export async function handOver({ env, nodeId, control }: HandOverOptions): Promise<void> {
  const { epoch } = control.registration
  if (epoch === null || !hasOthers(control.view.image, nodeId)) return
  const end = env.clock.monotonic() + LIMIT_MS
  const hopeless = untilHopeless({ env, nodeId, control })
  let problem = 'the limit passed'
  try {
    while (env.clock.monotonic() < end) {
      const ask = inTime(
        control.api.controlledShutdown(nodeId, epoch),
        LIMIT_MS,
        env.timers,
        () => new Error(`no answer within ${LIMIT_MS} ms`),
      )
      const answer = await Promise.race([ask.catch((error: Error) => error), hopeless.reason])
      // Where all stop at once it is so in the end for whoever is last: nothing to be warned of.
      if (typeof answer === 'string') return env.logger.info({ because: answer }, 'nobody can take over what this node leads; it stops')
      // A controller that stops too, or lost the ensemble for a moment: whether it decided anything is asked of the next one.
      if (answer instanceof Error) problem = answer.message
      else if (isOver(answer, control.view.image, nodeId)) return
      else problem = `${answer.remaining} partitions are left, the last answer was ${answer.errorCode}`
      await pauseFor(AGAIN_MS, env.timers)
    }
    env.logger.warn({ error: problem }, 'others did not take over what this node leads; it stops all the same')
  } finally {
    hopeless.stop()
  }
}

function isOver({ errorCode, remaining }: ShutdownAnswer, image: MetadataImage, nodeId: number): boolean {
  if (errorCode === errors.STALE_BROKER_EPOCH.code) return true
  return errorCode === errors.NONE.code && (remaining === 0 || !mayBeTakenOver(image, nodeId))
}

/** `reason` resolves when nobody is left who could take over, or decide that somebody does. */
function untilHopeless({ env, nodeId, control }: HandOverOptions): { readonly reason: Promise<string>; stop(): void } {
  let stop = (): void => undefined
  const reason = new Promise<string>((resolve) => {
    let suspended: { cancel(): void } | null = null
    const look = (): void => {
      if (!hasOthers(control.view.image, nodeId)) return resolve('all other nodes stop too')
      if (control.client.state === 'connected') {
        suspended?.cancel()
        suspended = null
      } else suspended ??= env.timers.after(NO_QUORUM_MS, () => resolve('the ensemble has no majority'))
    }
    const offView = control.view.onChange(look)
    const offState = control.client.onState(look)
    stop = () => {
      offView()
      offState()
      suspended?.cancel()
    }
    look()
  })
  return { reason, stop }
}

function hasOthers(image: MetadataImage, broker: number): boolean {
  return [...image.brokers.keys()].some((id) => id !== broker && isActive(image, id))
}

/** Whether something that `broker` leads has another replica alive, which may yet get in sync. */
function mayBeTakenOver(image: MetadataImage, broker: number): boolean {
  const isUp = (id: number): boolean => id !== broker && isActive(image, id)
  const { topics } = image
  return [...topics.values()].some(({ partitions }) => partitions.some(({ leader, replicas }) => leader === broker && replicas.some(isUp)))
}
