// The persistent znodes that metadata stands under, the cluster's id and the feature levels it begins with: made by whichever node comes first.

import type { Env } from '../env/env.js'
import { ZkCode } from '../ensemble/tree/codes.js'
import { isZnodeError, type MultiOp, type ZnodeClient } from '../ensemble/znode-client.js'
import type { MetadataView } from './metadata-view.js'
import { connected } from './metadata-writer.js'
import { CLUSTER_ID, FEATURES, SKELETON } from './paths.js'
import { newTopicId } from './topic-decisions.js'
import { encodeClusterId, encodeFeatures } from './znode-data.js'

/** Resolves when all of it stands. By what the view has just read, so that the first attempt is submitted when this returns. */
export async function ensureSkeleton(
  client: ZnodeClient,
  view: MetadataView,
  env: Env,
  levels: ReadonlyMap<string, number>,
): Promise<void> {
  let missing = SKELETON.filter((path) => view.node(path) === undefined)
  let needsId = view.node(CLUSTER_ID) === undefined
  while (missing.length > 0 || needsId) {
    const ops = missing.map((path): MultiOp => ({ kind: 'create', path, data: null }))
    if (needsId) {
      ops.push({ kind: 'create', path: CLUSTER_ID, data: encodeClusterId(newTopicId(env.random)) })
      if (levels.size > 0) ops.push({ kind: 'create', path: FEATURES, data: encodeFeatures(levels) })
    }
    try {
      await client.multi(ops)
      return
    } catch (error) {
      // Another node was faster, or the answer was lost: what is there now decides.
      if (isZnodeError(error, ZkCode.connectionLoss)) await connected(client, error)
      else if (!isZnodeError(error, ZkCode.nodeExists)) throw error
      await client.sync('/')
    }
    const stats = await Promise.all([...SKELETON, CLUSTER_ID].map((path) => client.exists(path)))
    missing = SKELETON.filter((_, i) => stats[i] === null)
    needsId = stats.at(-1) === null
  }
}
