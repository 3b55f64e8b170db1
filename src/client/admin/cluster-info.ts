// The cluster itself: its brokers and what lies in their log directories. Stateless.

import { apis } from '../../protocol/schema/index.js'
import type { Cluster } from '../cluster/cluster.js'
import { ClientError, KafkaError } from '../errors.js'
import { type AdminCallOptions, onAny, timeoutOf } from './requests.js'

export interface ClusterDescription {
  readonly clusterId: string
  /** -1 when not known. */
  readonly controllerId: number
  readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number; readonly rack: string | null }[]
}

export interface LogDirDescription {
  readonly nodeId: number
  readonly path: string
  /** Set when the directory is offline. */
  readonly error: KafkaError | undefined
  /** Bytes; -1 when the broker does not say. */
  readonly totalBytes: number
  readonly usableBytes: number
  readonly partitions: readonly {
    readonly topic: string
    readonly partition: number
    readonly sizeBytes: number
    readonly offsetLag: number
    readonly isFuture: boolean
  }[]
}

export function describeCluster(cluster: Cluster, options: AdminCallOptions): Promise<ClusterDescription> {
  return onAny(cluster, 'describeCluster', options, async (broker) => {
    try {
      const answer = await broker.request(apis.describeCluster, {})
      if (answer.errorCode !== 0) throw new KafkaError(answer.errorCode, 'describeCluster', answer.errorMessage)
      const brokers = answer.brokers.map(({ brokerId, host, port, rack }) => ({ nodeId: brokerId, host, port, rack }))
      return { clusterId: answer.clusterId, controllerId: answer.controllerId, brokers }
    } catch (error) {
      if (!(error instanceof ClientError) || error.code !== 'ERR_MILLRACE_UNSUPPORTED') throw error
      // Brokers before Kafka 2.8.
      const { clusterId, controllerId, brokers } = await broker.request(apis.metadata, { topics: [] })
      return { clusterId: clusterId ?? '', controllerId, brokers }
    }
  })
}

export function describeLogDirs(
  cluster: Cluster,
  options: AdminCallOptions & { readonly nodeIds?: readonly number[] },
): Promise<LogDirDescription[]> {
  return cluster.retry('describeLogDirs', timeoutOf(cluster, options), async () => {
    if (cluster.metadata.brokers.size === 0) await cluster.refresh()
    const nodes = options.nodeIds ?? [...cluster.metadata.brokers.keys()]
    return (await Promise.all(nodes.map((node) => logDirsOf(cluster, node)))).flat()
  })
}

async function logDirsOf(cluster: Cluster, nodeId: number): Promise<LogDirDescription[]> {
  const answer = await cluster.requireBroker(nodeId).request(apis.describeLogDirs, { topics: null })
  if (answer.errorCode !== 0) throw new KafkaError(answer.errorCode, `log directories of broker ${nodeId}`)
  return answer.results.map(({ errorCode, logDir, topics, totalBytes, usableBytes }) => ({
    nodeId,
    path: logDir,
    error: errorCode === 0 ? undefined : new KafkaError(errorCode, `log directory ${logDir} of broker ${nodeId}`),
    totalBytes,
    usableBytes,
    partitions: topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, partitionSize, offsetLag, isFutureKey }) => ({
        topic: name,
        partition: partitionIndex,
        sizeBytes: partitionSize,
        offsetLag,
        isFuture: isFutureKey,
      })),
    ),
  }))
}
