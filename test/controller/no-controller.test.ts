import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CONTROLLER_METHODS, NotControllerError, type ControllerMethod } from '../../src/controller/controller-api.js'
import { isNotControllerError, noControllerResult } from '../../src/controller/no-controller.js'
import { errors } from '../../src/model/errors.js'

const named = [{ name: 'a' }, { name: 'b' }]
const placed = [{ topic: 'a', partition: 3 }]
const args: Partial<Record<ControllerMethod, readonly unknown[]>> = {
  createTopics: [named, false],
  deleteTopics: [
    [
      { name: null, topicId: 'AAAAAAAAAAAAAAAAAAAAAQ' },
      { name: 'b', topicId: null },
    ],
  ],
  createPartitions: [named, false],
  alterConfigs: [named, false],
  alterPartitionReassignments: [placed, true],
  electLeaders: [0, placed],
}
const REJECT: ReadonlySet<ControllerMethod> = new Set(['allocateProducerIds', 'listPartitionReassignments'])

test('without a controller each call has NOT_CONTROLLER where its errors are, one for each that was asked for', () => {
  for (const method of CONTROLLER_METHODS) {
    const result = noControllerResult(method, args[method] ?? [])
    if (REJECT.has(method)) assert.equal(result, undefined, method)
    else {
      const rows = Array.isArray(result) ? (result as object[]) : [result as object]
      const asked = args[method]?.find((one) => Array.isArray(one)) as readonly object[] | undefined
      assert.equal(rows.length, asked?.length ?? 1, method)
      for (const row of rows) assert.equal((row as { errorCode: number }).errorCode, errors.NOT_CONTROLLER.code, method)
    }
  }
  assert.equal(noControllerResult('electLeaders', [0, null]), undefined, 'nobody knows which')
})

test('the error is known by its code, which is what crosses threads', () => {
  assert.ok(isNotControllerError(new NotControllerError()))
  assert.ok(isNotControllerError({ code: 'ERR_MILLRACE_NOT_CONTROLLER' }))
  assert.ok(!isNotControllerError(new Error('something else')))
})
