// What AlterConfigs and IncrementalAlterConfigs share: which resources a request may name, and its way through the
// controller back to one row per resource.

import type { AlterConfigSpec, Outcome } from '../../controller/controller-api.js'
import { errors } from '../../model/errors.js'
import { brokerNameProblem, kindOfResource } from './config-resources.js'
import type { HandlerContext } from './handler.js'

export interface AskedResource {
  readonly resourceType: number
  readonly resourceName: string
  readonly changes: AlterConfigSpec['changes']
}

export interface AlterRow extends Outcome {
  readonly resourceType: number
  readonly resourceName: string
}

export async function alterConfigs(
  resources: readonly AskedResource[],
  replaceAll: boolean,
  validateOnly: boolean,
  broker: HandlerContext,
): Promise<AlterRow[]> {
  const keyOf = (each: AskedResource): string => `${each.resourceType}:${each.resourceName}`
  const counts = new Map<string, number>()
  for (const each of resources) counts.set(keyOf(each), (counts.get(keyOf(each)) ?? 0) + 1)
  const rows = new Map<string, AlterRow>()
  const specs: { key: string; spec: AlterConfigSpec }[] = []
  for (const each of resources) {
    const { resourceType, resourceName } = each
    const key = keyOf(each)
    const problem = counts.get(key)! > 1 ? 'Each resource must appear at most once.' : resourceProblem(each, broker)
    rows.set(key, {
      resourceType,
      resourceName,
      errorCode: problem ? errors.INVALID_REQUEST.code : errors.NONE.code,
      errorMessage: problem,
    })
    if (!problem)
      specs.push({ key, spec: { resource: kindOfResource(resourceType)!, name: resourceName, changes: each.changes, replaceAll } })
  }
  const outcomes =
    specs.length === 0
      ? []
      : await broker.services.controller.alterConfigs(
          specs.map(({ spec }) => spec),
          validateOnly,
        )
  specs.forEach(({ key }, i) => rows.set(key, { ...rows.get(key)!, ...outcomes[i]! }))
  return [...rows.values()]
}

function resourceProblem(asked: AskedResource, broker: HandlerContext): string | null {
  const kind = kindOfResource(asked.resourceType)
  if (!kind) return `Unknown resource type ${asked.resourceType}`
  if (kind !== 'broker' && kind !== 'broker-logger') return null
  return brokerNameProblem(asked.resourceName, broker.nodeId) ?? (kind === 'broker' ? readOnlyProblem(asked, broker) : null)
}

/** Settings that a running node cannot change. They are this node's own, whichever way its settings are addressed. */
function readOnlyProblem(asked: AskedResource, broker: HandlerContext): string | null {
  const named = new Set(asked.changes.map((change) => change.name))
  const fixed = broker.services.configs.describe('broker', String(broker.nodeId)).filter((entry) => entry.readOnly && named.has(entry.name))
  return fixed.length === 0 ? null : `Cannot update these configs dynamically: [${fixed.map((entry) => entry.name).join(', ')}]`
}
