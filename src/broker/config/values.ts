// Reading and checking one value by its definition: Kafka's types and ranges. Errors say what, limit, actual,
// setting and fix in one line. Pure.

import type { SettingDefinition } from './definition.js'

const INTEGER_LIMITS: Readonly<Record<string, readonly [bigint, bigint]>> = {
  short: [-32_768n, 32_767n],
  int: [-2_147_483_648n, 2_147_483_647n],
  long: [-9_223_372_036_854_775_808n, 9_223_372_036_854_775_807n],
}

/** A list as Kafka reads it: commas, blanks trimmed, '' is the empty list. */
export function parseList(value: string): string[] {
  const trimmed = value.trim()
  return trimmed === '' ? [] : trimmed.split(',').map((item) => item.trim())
}

/** The value as Kafka would print it back: trimmed, booleans in lower case, lists without blanks. */
export function canonical(definition: SettingDefinition, value: string): string {
  if (definition.type === 'password') return value
  if (definition.type === 'boolean') return value.trim().toLowerCase()
  return definition.type === 'list' ? parseList(value).join(',') : value.trim()
}

/** Null when `value` fits, else one line for the person who set it. */
export function checkValue(definition: SettingDefinition, value: string): string | null {
  switch (definition.type) {
    case 'boolean':
      return /^(true|false)$/i.test(value.trim()) ? null : wrong(definition, value, 'is not a boolean', 'true or false')
    case 'short':
    case 'int':
    case 'long':
      return checkInteger(definition, value.trim())
    case 'double':
      return checkDouble(definition, value.trim())
    case 'list':
      return checkList(definition, value)
    default:
      return checkText(definition, value.trim())
  }
}

function checkInteger(definition: SettingDefinition, text: string): string | null {
  if (!/^[+-]?\d+$/.test(text)) return wrong(definition, text, 'is not a whole number', rangeText(definition))
  const value = BigInt(text.replace(/^\+/, ''))
  const [least, most] = INTEGER_LIMITS[definition.type]!
  if (value < least || value > most) return wrong(definition, text, `does not fit the type ${definition.type}`, rangeText(definition))
  return checkRange(definition, Number(value), text)
}

function checkDouble(definition: SettingDefinition, text: string): string | null {
  const value = text === '' ? NaN : Number(text)
  return Number.isNaN(value) ? wrong(definition, text, 'is not a number', rangeText(definition)) : checkRange(definition, value, text)
}

function checkRange(definition: SettingDefinition, value: number, text: string): string | null {
  const { min, max, or } = definition.range
  if (or !== undefined && String(value) === or) return null
  if (min !== undefined && value < min) return wrong(definition, text, `is below the least allowed, ${min}`, rangeText(definition))
  if (max !== undefined && value > max) return wrong(definition, text, `is above the most allowed, ${max}`, rangeText(definition))
  return null
}

function checkList(definition: SettingDefinition, value: string): string | null {
  const items = parseList(value)
  const { values, nonEmpty, replicas, pattern } = definition.range
  if (nonEmpty && items.length === 0) return wrong(definition, value, 'is empty', 'at least one item')
  if (items.length > 1 && items.includes('')) return wrong(definition, value, 'has an empty item', 'items between single commas')
  const stranger = values && items.find((item) => !values.includes(item))
  if (stranger !== undefined) return wrong(definition, value, `holds "${stranger}"`, `any of ${values!.join(', ')}`)
  const misshapen = pattern && items.find((item) => !pattern.test(item))
  if (misshapen !== undefined) return wrong(definition, value, `holds "${misshapen}"`, rangeText(definition))
  const badPair = replicas && value.trim() !== '*' && items.some((item) => !/^\d+:\d+$/.test(item))
  return badPair ? wrong(definition, value, 'is not a list of replicas', 'partition:broker,… or *') : null
}

function checkText(definition: SettingDefinition, text: string): string | null {
  const { values, anyCase, nonEmpty, pattern } = definition.range
  if (nonEmpty && text === '') return wrong(definition, text, 'is empty', 'a text')
  if (pattern && !pattern.test(text)) return wrong(definition, text, 'is not in the expected form', rangeText(definition))
  if (!values) return null
  const found = anyCase ? values.some((word) => word.toLowerCase() === text.toLowerCase()) : values.includes(text)
  return found ? null : wrong(definition, text, 'is not one of its words', values.join(', '))
}

function wrong(definition: SettingDefinition, value: string, problem: string, allowed: string): string {
  const shown = definition.type === 'password' ? '(hidden)' : JSON.stringify(value)
  return `Invalid value ${shown} for configuration ${definition.name}: it ${problem}; set ${definition.name} to ${allowed}.`
}

/** The range in words, for errors and for the documentation. */
export function rangeText(definition: SettingDefinition): string {
  const { min, max, or, values, nonEmpty, replicas, form } = definition.range
  if (values) return `${values.join(', ')}${definition.type === 'list' ? ' (any of)' : ''}`
  if (replicas) return 'partition:broker,… or *'
  if (form !== undefined) return form
  if (nonEmpty) return 'not empty'
  if (min !== undefined && max !== undefined) return `${min} to ${max}${or === undefined ? '' : ` or ${or}`}`
  if (min !== undefined) return `${min} or more`
  return (
    { boolean: 'true or false', double: 'a number', string: '', list: '', class: '', password: '' }[definition.type as string] ??
    `a whole number (${definition.type})`
  )
}
