// API 22, InitProducerId, v0-v6. 3: a producer may name the id and epoch it had. 6: two-phase commit. Here for
// idempotent producers: each gets an id that no other ever had, with epoch 0. Transactional ids are refused so that
// clients fail at once instead of retrying (find-coordinator.ts says the same earlier).

import { errors } from '../../model/errors.js'
import type { InitProducerIdRequest, InitProducerIdResponse } from '../../protocol/schema/init-producer-id.js'
import type { BrokerServices } from './services.js'
import type { HandlerContext, RequestContext } from './handler.js'

type Controller = BrokerServices['controller']

interface Block {
  next: number
  end: number
  /** The next block, while it is on its way. */
  refill: Promise<void> | null
}

/** One block per thread and node, used up before the next is asked for. Ids left over at a stop are never used. */
const blocks = new WeakMap<Controller, Block>()

export async function handleInitProducerId(
  request: InitProducerIdRequest,
  _context: RequestContext,
  broker: HandlerContext,
): Promise<InitProducerIdResponse> {
  // An id comes with its epoch or not at all.
  if ((request.producerId === -1) !== (request.producerEpoch === -1)) return refused(errors.INVALID_REQUEST.code)
  if (request.transactionalId !== null) return refused(transactionalRefusal(request, broker))
  try {
    return { ...refused(errors.NONE.code), producerId: await nextProducerId(broker.services.controller), producerEpoch: 0 }
  } catch (error) {
    broker.env.logger.error({ err: error }, 'no producer id could be allocated')
    // Retriable: the controller may be back the next time.
    return refused(errors.COORDINATOR_LOAD_IN_PROGRESS.code)
  }
}

function transactionalRefusal(request: InitProducerIdRequest, broker: HandlerContext): number {
  if (request.transactionalId === '') return errors.INVALID_REQUEST.code
  const longest = broker.services.configs.getNumber('transaction.max.timeout.ms')
  if (request.transactionTimeoutMs <= 0 || request.transactionTimeoutMs > longest) return errors.INVALID_TRANSACTION_TIMEOUT.code
  return errors.UNSUPPORTED_VERSION.code
}

async function nextProducerId(controller: Controller): Promise<number> {
  let block = blocks.get(controller)
  if (!block) blocks.set(controller, (block = { next: 0, end: 0, refill: null }))
  while (block.next === block.end) {
    block.refill ??= refill(block, controller)
    await block.refill
  }
  return block.next++
}

async function refill(block: Block, controller: Controller): Promise<void> {
  try {
    const { first, count } = await controller.allocateProducerIds()
    block.next = first
    block.end = first + count
  } finally {
    block.refill = null
  }
}

function refused(errorCode: number): InitProducerIdResponse {
  return { throttleTimeMs: 0, errorCode, producerId: -1, producerEpoch: -1, ongoingTxnProducerId: -1, ongoingTxnProducerEpoch: -1 }
}
