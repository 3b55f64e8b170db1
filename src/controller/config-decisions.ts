// Decides AlterConfigs and IncrementalAlterConfigs for one resource: the overrides it has afterwards, or Kafka's
// refusal. Pure.

import { errors } from '../model/errors.js'
import type { AlterConfigSpec } from './controller-api.js'
import { configKey, type MetadataImage } from './image.js'
import { isStoredConfigKind } from './paths.js'
import type { ControllerRules } from './rules.js'
import { duplicatesOf, refuse, type Decision, type Refusal } from './topic-decisions.js'

const SET = 0
const DELETE = 1
const APPEND = 2
const SUBTRACT = 3

export function decideAlterConfigs(
  image: MetadataImage,
  spec: AlterConfigSpec,
  rules: ControllerRules,
): Decision<ReadonlyMap<string, string>> {
  const refused = resourceRefusal(image, spec) ?? changesRefusal(spec)
  if (refused) return { kind: 'refused', refusal: refused }
  const before = image.configs.get(configKey(spec.resource, spec.name)) ?? new Map<string, string>()
  const values = new Map(spec.replaceAll ? [] : before)
  for (const change of spec.changes) {
    const next = changedValue(spec, change, values.get(change.name), rules)
    if (typeof next === 'object' && next !== null) return { kind: 'refused', refusal: next }
    if (next === null) {
      values.delete(change.name)
      continue
    }
    const problem = rules.validateConfig(spec.resource, spec.name, change.name, next)
    if (problem) return refuse(errors.INVALID_CONFIG.code, problem)
    values.set(change.name, next)
  }
  const conflict = rules.validateTogether?.(spec.resource, values)
  if (conflict) return refuse(errors.INVALID_CONFIG.code, conflict)
  return { kind: 'planned', plan: values }
}

/** The new value, null to reset it, or a refusal. */
function changedValue(
  spec: AlterConfigSpec,
  change: AlterConfigSpec['changes'][number],
  current: string | undefined,
  rules: ControllerRules,
): string | null | Refusal {
  if (spec.replaceAll || change.operation === SET) return change.value
  if (change.operation === DELETE) return null
  const unset = rules.listDefault(spec.resource, spec.name, change.name)
  if (unset === null) {
    const verb = change.operation === APPEND ? 'append' : 'subtract'
    return { errorCode: errors.INVALID_CONFIG.code, errorMessage: `Config value ${verb} is not allowed for config key: ${change.name}` }
  }
  const items = listItems(current ?? unset)
  const named = listItems(change.value ?? '')
  const next =
    change.operation === APPEND
      ? [...items, ...named.filter((item) => !items.includes(item))]
      : items.filter((item) => !named.includes(item))
  return next.join(',')
}

function listItems(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

function changesRefusal(spec: AlterConfigSpec): Refusal | null {
  const invalid = (errorMessage: string): Refusal => ({ errorCode: errors.INVALID_REQUEST.code, errorMessage })
  if (duplicatesOf(spec.changes.map((change) => change.name)).size > 0) return invalid('Error due to duplicate config keys')
  const unknown = spec.changes.find((change) => change.operation < SET || change.operation > SUBTRACT)
  if (unknown && !spec.replaceAll) return invalid(`Unknown operations type ${unknown.operation}`)
  const nulls = spec.changes.filter((change) => change.value === null && (spec.replaceAll || change.operation !== DELETE))
  if (nulls.length > 0) return invalid(`Null value not supported for : ${nulls.map((change) => change.name).join(',')}`)
  return null
}

function resourceRefusal(image: MetadataImage, spec: AlterConfigSpec): Refusal | null {
  if (!isStoredConfigKind(spec.resource)) {
    return {
      errorCode: errors.INVALID_REQUEST.code,
      errorMessage: 'Logger levels cannot be changed on a running node; set the log level when starting it.',
    }
  }
  if (spec.resource === 'topic') {
    if (image.topics.has(spec.name)) return null
    return { errorCode: errors.UNKNOWN_TOPIC_OR_PARTITION.code, errorMessage: `The topic '${spec.name}' does not exist.` }
  }
  if (spec.resource === 'broker' && spec.name !== '') {
    if (!/^\d+$/.test(spec.name)) return { errorCode: errors.INVALID_REQUEST.code, errorMessage: `Invalid broker name ${spec.name}` }
    if (!image.brokers.has(Number(spec.name))) {
      return { errorCode: errors.BROKER_ID_NOT_REGISTERED.code, errorMessage: `No node with id ${spec.name} found.` }
    }
  }
  if (spec.resource === 'group' && spec.name === '')
    return { errorCode: errors.INVALID_REQUEST.code, errorMessage: 'Default group resources are not allowed.' }
  return null
}
