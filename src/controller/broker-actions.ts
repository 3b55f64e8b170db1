// The acting side of brokers: taking up their lives, making partitions right when one comes or goes, controlled
// shutdown, unregistering; features and producer ids. Part of the acting controller, on the thread coordinator.
//
// A life of a broker (its znode's czxid) counts once the controller has written that epoch under /brokers/registered.
// What follows from the life's start, i.e. what an unclean stop means for ISRs, is written BEFORE or with it: a
// controller that dies in between leaves a broker that is fenced still, and the next one does it again.

import { readIfPresent, type MultiOp } from '../ensemble/znode-client.js'
import { errors } from '../model/errors.js'
import type { FeatureUpdate, Outcome } from './controller-api.js'
import { OK, type ControllerCore } from './controller-core.js'
import { decideFeatures } from './feature-decisions.js'
import { missingLevels } from './features.js'
import type { BrokerImage } from './image.js'
import { ledBy, planLiveness, planShutdown, planUncleanReturn, type Losses } from './partition-plans.js'
import { FEATURES, PRODUCER_ID_BLOCK, registrationPath } from './paths.js'
import { decodeProducerIdBlock, encodeFeatures, encodeProducerIdBlock, encodeRegistration } from './znode-data.js'

const PRODUCER_ID_BLOCK_SIZE = 1000

export class BrokerActions {
  readonly #core: ControllerCore

  constructor(core: ControllerCore) {
    this.#core = core
  }

  /** What a former controller left half done goes. */
  removeLeftovers(): Promise<Outcome> {
    return this.#core.enqueue(() => {
      const { view, writer, env } = this.#core
      const { topics, buckets } = view.leftovers()
      if (topics.length + buckets.length === 0) return Promise.resolve(OK)
      for (const { name } of topics) {
        env.logger.warn({ topic: name }, 'a topic was being created or deleted when the controller stopped: it is removed')
      }
      return this.#core.commit(() => writer.removeLeftovers(topics, buckets))
    })
  }

  /** Makes metadata right for the brokers as they are now. Idempotent: writes only what is not as it should be. */
  evaluate(): Promise<Outcome> {
    return this.#core.enqueue(() => {
      const { image, rules, writer } = this.#core
      const arrived = [...image.brokers.values()].filter((broker) => broker.alive && !broker.accepted)
      const active = new Set(arrived.filter((broker) => broker.ready && !broker.shuttingDown).map(({ id }) => id))
      const unclean = new Set(arrived.filter((broker) => broker.uncleanShutdown).map(({ id }) => id))
      const losses = this.#lossesOf(arrived)
      const updates =
        unclean.size + losses.brokers.size > 0
          ? planUncleanReturn(image, rules, unclean, losses, { active })
          : planLiveness(image, rules, { active })
      const ops = [...writer.bucketOps(updates), ...arrived.map((broker) => this.#registration(broker, false)), ...this.#missingLevels()]
      return ops.length === 0 ? Promise.resolve(OK) : this.#core.commit(() => writer.writeAll(ops))
    })
  }

  #lossesOf(arrived: readonly BrokerImage[]): Losses {
    const emptied = arrived.filter((broker) => broker.lostDirs).map(({ id }) => id)
    for (const id of emptied) {
      this.#core.env.logger.warn(
        { brokerId: id },
        'a broker is back without a data directory that it had: its replicas leave the in-sync sets',
      )
    }
    const lost = arrived.filter((broker) => broker.lostWrites).map(({ id }) => id)
    return { brokers: new Set([...lost, ...emptied]), alsoSynced: new Set(emptied) }
  }

  #registration({ id, epoch, endpoints, rack, logDirs }: BrokerImage, shuttingDown: boolean): MultiOp {
    return this.#core.writer.put(registrationPath(id), encodeRegistration({ epoch, endpoints, rack, shuttingDown, logDirs }))
  }

  /** Of a cluster that began with a build before there were features. */
  #missingLevels(): MultiOp[] {
    const { image, writer } = this.#core
    const missing = missingLevels(image.features, image.brokers.values())
    return missing.size === 0 ? [] : [writer.put(FEATURES, encodeFeatures(new Map([...image.features, ...missing])))]
  }

  controlledShutdown(brokerId: number, brokerEpoch: bigint): Promise<Outcome & { readonly remaining: number }> {
    return this.#core.enqueue(async () => {
      const { image, rules, writer } = this.#core
      const broker = image.brokers.get(brokerId)
      if (!broker?.accepted || broker.epoch !== brokerEpoch) {
        return { errorCode: errors.STALE_BROKER_EPOCH.code, errorMessage: null, remaining: 0 }
      }
      // That it stops is written FIRST: a controller that takes over goes on moving its partitions away.
      const ops = broker.shuttingDown ? [] : [this.#registration(broker, true)]
      ops.push(...writer.bucketOps(planShutdown(image, rules, brokerId)))
      const outcome = ops.length === 0 ? OK : await this.#core.commit(() => writer.writeAll(ops))
      return { ...outcome, remaining: ledBy(this.#core.image, brokerId) }
    })
  }

  unregisterBroker(brokerId: number): Promise<Outcome> {
    return this.#core.enqueue(() => {
      const { image, writer, view } = this.#core
      const broker = image.brokers.get(brokerId)
      if (!broker) return answer(errors.BROKER_ID_NOT_REGISTERED.code, `Broker ID ${brokerId} is not currently registered`)
      if (broker.alive) {
        return answer(errors.INVALID_REQUEST.code, `Broker ${brokerId} is running. Stop it, or it would register again at once.`)
      }
      const path = registrationPath(brokerId)
      return view.node(path) ? this.#core.commit(() => writer.write([{ kind: 'delete', path }])) : Promise.resolve(OK)
    })
  }

  updateFeatures(updates: readonly FeatureUpdate[], validateOnly: boolean): Promise<Outcome> {
    return this.#core.enqueue(() => {
      const { image, writer } = this.#core
      const decision = decideFeatures(image, updates)
      if (decision.kind === 'refused') return Promise.resolve(decision.refusal)
      if (validateOnly) return Promise.resolve(OK)
      return this.#core.commit(() => writer.write([writer.put(FEATURES, encodeFeatures(decision.plan))]))
    })
  }

  allocateProducerIds(): Promise<{ readonly first: number; readonly count: number }> {
    return this.#core.enqueue(async () => {
      const { client, writer, brokerId } = this.#core
      const node = await readIfPresent(client, PRODUCER_ID_BLOCK)
      const first = node ? decodeProducerIdBlock(node.data).last + 1 : 0
      const data = encodeProducerIdBlock(brokerId, first, first + PRODUCER_ID_BLOCK_SIZE - 1)
      const op: MultiOp = node
        ? { kind: 'setData', path: PRODUCER_ID_BLOCK, data, version: node.stat.version }
        : { kind: 'create', path: PRODUCER_ID_BLOCK, data }
      await writer.write([op])
      return { first, count: PRODUCER_ID_BLOCK_SIZE }
    })
  }
}

function answer(errorCode: number, errorMessage: string): Promise<Outcome> {
  return Promise.resolve({ errorCode, errorMessage })
}
