// What a node has because there are others: the links to them, the lease under which it leads, what it tells the controller of its replicas,
// and the hand-over before a clean stop. Each comes in its turn of the start, which `broker.ts` has. Runs on the thread coordinator.

import type { ControllerNode } from '../controller/controller-node.js'
import type { BrokerEndpoint, MetadataChange, MetadataImage } from '../controller/image.js'
import { Lease } from '../controller/lease.js'
import type { Env } from '../env/env.js'
import type { Caller } from '../threads/mailbox.js'
import type { PlacementTable } from '../threads/placement.js'
import type { ClusterOptions } from './cluster-options.js'
import { handOver } from './hand-over.js'
import type { HostingChange } from './hosting.js'
import { LeaseCell } from './lease-cell.js'
import { LinkKind } from './link-kinds.js'
import type { PortMessage } from './messages.js'
import { LINK_LISTENER, type NodeCallKind, NodeLinks } from './node-links.js'
import { ReplicaReports } from './replica-reports.js'

export interface NodeReplicationOptions {
  readonly env: Env
  readonly nodeId: number
  readonly cluster: ClusterOptions
  readonly logLevel: string
  placement(): PlacementTable
  callers(): readonly Caller[]
  /** Resolves when every change that was heard so far is in force on every worker. */
  settled(): Promise<unknown>
  /** How this node's member of the ensemble stands, for another node. */
  answerQuorum(): Promise<Uint8Array>
}

export class NodeReplication {
  readonly reports: ReplicaReports
  /** Resolves when this node's partitions are open and it listens: from then on it may lead. */
  readonly catchUp: Promise<void>
  caughtUp: () => void = () => undefined
  private readonly options: NodeReplicationOptions
  private readonly leaseCell: LeaseCell
  private control: ControllerNode | undefined
  private links: NodeLinks | undefined
  private lease: Lease | undefined

  constructor(options: NodeReplicationOptions) {
    const { env, nodeId } = options
    this.options = options
    this.leaseCell = new LeaseCell(env.clock)
    this.catchUp = new Promise((resolve) => (this.caughtUp = resolve))
    this.reports = new ReplicaReports({
      env,
      nodeId,
      image: () => this.image,
      brokerEpoch: () => this.control!.registration.epoch,
      send: (report) => this.control!.api.reportReplicas(report),
    })
  }

  /** Where workers see until when they may lead. */
  get leaseMemory(): SharedArrayBuffer {
    return this.leaseCell.buffer
  }

  private get image(): MetadataImage {
    return this.control!.view.image
  }

  /** What other nodes are told to dial. */
  endpoint(): BrokerEndpoint {
    const { link, linkAdvertised } = this.options.cluster
    return { name: LINK_LISTENER, ...(linkAdvertised ?? link!), securityProtocol: 'PLAINTEXT' }
  }

  /** One call to another node's thread coordinator. */
  call(peer: number, kind: NodeCallKind, body: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    if (!this.links) return Promise.reject(new Error('the links to other nodes are not there yet'))
    return this.links.call(peer, kind, body, timeoutMs)
  }

  // ---- the start

  joined(control: ControllerNode): void {
    this.control = control
    control.registration.onHealth(() => this.reports.look())
  }

  /** Resolves when somebody has made the cluster: its id is in every handshake of the links. */
  clusterIsMade(): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (this.image.clusterId === '') return
        stop()
        resolve()
      }
      const stop = this.control!.view.onChange(check)
      check()
    })
  }

  async startLinks(): Promise<void> {
    const { env, nodeId, cluster, logLevel, callers, answerQuorum } = this.options
    this.links = await NodeLinks.start({
      env,
      nodeId,
      cluster,
      logLevel,
      clusterId: () => this.image.clusterId,
      handlers: new Map([
        [LinkKind.control, (peer: number, body: Uint8Array) => this.control!.router.handle(peer, body)],
        [LinkKind.quorum, () => answerQuorum()],
      ]),
      onWorkerPort: (worker, port) => callers()[worker]!.notify('link', { id: worker, port } satisfies PortMessage, [port]),
    })
    for (const worker of callers().keys()) this.links.attachWorker(worker)
    for (const name of this.image.topics.keys()) this.place(name)
    this.links.follow(this.image)
  }

  /** From now on it may lead, whenever its session with the ensemble is certain. Resolves when that is so at first. */
  async holdLease(): Promise<void> {
    const { env, nodeId, callers, settled } = this.options
    const control = this.control!
    this.lease = new Lease({
      env,
      brokerId: nodeId,
      view: control.view,
      client: () => control.client,
      brokerEpoch: () => control.registration.epoch,
      settled,
      onDeadline: (until) => this.leaseCell.set(until),
      onLost: () => {
        for (const caller of callers()) caller.notify('lease-lost', null)
      },
    })
    await this.lease.held()
  }

  // ---- as long as it runs

  /** There is another worker with that number. */
  attachWorker(worker: number): void {
    this.links?.attachWorker(worker)
  }

  /** The metadata changed. */
  follow(changes: readonly MetadataChange[], placement: HostingChange['placement']): void {
    for (const change of changes) if (change.kind === 'topic-deleted') this.links?.place(change.id, null)
    for (const [name] of placement) this.place(name)
    this.links?.follow(this.image)
  }

  private place(name: string): void {
    const id = this.image.topics.get(name)?.id
    if (id !== undefined) this.links?.place(id, this.options.placement().get(name) ?? null)
  }

  // ---- the stop

  /** Others lead what this node led, if there are any who can. */
  async handOver(): Promise<void> {
    const { control } = this
    if (!control) return
    await handOver({ env: this.options.env, nodeId: this.options.nodeId, control })
    // What was decided is in force here before the listeners close: clients hear who leads now.
    await this.options.settled()
  }

  /** Workers are closed. */
  endLease(): void {
    this.lease?.close()
  }

  async close(): Promise<void> {
    await this.links?.close()
  }
}
