// The links of this node to the others: who is dialed, which worker has which partition, calls to the controller, and each worker's way to the
// link thread. Runs on the thread coordinator; the bytes of records never pass here.

import type { MessagePort } from 'node:worker_threads'
import type { MetadataImage } from '../controller/image.js'
import type { Env } from '../env/env.js'
import { LinkError, LinkStatus } from '../link/door.js'
import { LinkThread } from '../link/link-thread.js'
import type { Uuid } from '../model/topic-partition.js'
import type { Address, ClusterOptions } from './cluster-options.js'
import { LinkKind } from './link-kinds.js'

/** The endpoint of a broker's registration that other nodes dial. */
export const LINK_LISTENER = 'LINK'

/** What thread coordinators ask each other. */
export type NodeCallKind = typeof LinkKind.control | typeof LinkKind.quorum

export interface NodeLinksOptions {
  readonly env: Env
  readonly nodeId: number
  readonly cluster: ClusterOptions
  readonly logLevel: string
  clusterId(): string
  /** Answers what other nodes ask this one's thread coordinator. */
  readonly handlers: ReadonlyMap<NodeCallKind, (fromPeer: number, body: Uint8Array) => Promise<Uint8Array>>
  /** The worker's way to the link thread, at first and when there is another of either. */
  readonly onWorkerPort: (worker: number, port: MessagePort) => void
}

export class NodeLinks {
  private readonly link: LinkThread
  private readonly nodeId: number
  private readonly giveWorker: NodeLinksOptions['onWorkerPort']
  /** host:port by node, as last told. */
  private dialed = ''

  private constructor(link: LinkThread, { nodeId, onWorkerPort }: NodeLinksOptions) {
    this.link = link
    this.nodeId = nodeId
    this.giveWorker = onWorkerPort
  }

  /** Rejects when the address cannot be listened on. */
  static async start(options: NodeLinksOptions): Promise<NodeLinks> {
    const { env, nodeId, cluster, logLevel } = options
    const link = await LinkThread.start({
      env,
      nodeId,
      clusterId: () => options.clusterId(),
      secret: cluster.secret,
      listen: cluster.link,
      tls: cluster.tls,
      logLevel,
      onWorkerPort: (worker, port) => options.onWorkerPort(worker, port),
    })
    for (const [kind, handle] of options.handlers) {
      link.door.handle(kind, (peer, parts, answer) => {
        parts.forEach(({ body }, index) => {
          handle(peer, Uint8Array.from(body)).then(
            (reply) => answer(index, reply),
            (error: Error) => env.logger.error({ peer, error: error.message }, 'a call of another node was not answered'),
          )
        })
      })
    }
    return new NodeLinks(link, options)
  }

  /** Where other nodes are told to dial. */
  address(cluster: ClusterOptions): Address {
    const { host, port } = cluster.linkAdvertised ?? cluster.link!
    return { host, port: port === 0 ? this.link.port : port }
  }

  /** One call to the thread coordinator of another node. */
  async call(nodeId: number, kind: NodeCallKind, body: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    let reply: Uint8Array | undefined
    const parts = [{ topicId: null, partition: 0, body }]
    await this.link.door.call(
      nodeId,
      kind,
      parts,
      (_, answer, status) => {
        if (status === LinkStatus.ok) reply = Uint8Array.from(answer)
      },
      timeoutMs,
    )
    if (reply === undefined) throw new LinkError('ERR_MILLRACE_LINK_DOWN', `node ${nodeId} could not answer`)
    return reply
  }

  /** Dials every broker of the image that is alive. */
  follow(image: MetadataImage): void {
    const peers = new Map<number, Address>()
    for (const broker of image.brokers.values()) {
      const endpoint = broker.endpoints.find(({ name }) => name === LINK_LISTENER)
      if (broker.id !== this.nodeId && broker.alive && endpoint) peers.set(broker.id, { host: endpoint.host, port: endpoint.port })
    }
    const now = JSON.stringify([...peers])
    if (now === this.dialed) return
    this.dialed = now
    this.link.setPeers(peers)
  }

  /** Null: the topic is gone. */
  place(topicId: Uuid, owners: Int16Array | null): void {
    this.link.setPlacement(topicId, owners)
  }

  /** There is a worker, or another one with its number: it is given its way to the link thread. */
  attachWorker(worker: number): void {
    this.giveWorker(worker, this.link.attachWorker(worker))
  }

  close(): Promise<void> {
    return this.link.close()
  }
}
