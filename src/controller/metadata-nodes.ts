// The metadata znodes as last read, and the image they make. Pure: it is given znodes (`put`, `remove`) in any order
// and answers what changed in the image (`commit`). It decodes only what was given, and compares by version, so a
// bucket of 256 partitions costs one JSON.parse, and the other buckets of its topic nothing.

import type { Stat } from '../ensemble/tree/types.js'
import {
  applyDelta,
  configKey,
  emptyImage,
  type BrokerImage,
  type MetadataChange,
  type MetadataImage,
  type PartitionImage,
  type TopicImage,
} from './image.js'
import {
  brokerPath,
  bucketPath,
  CLUSTER_ID,
  configPath,
  CONTROLLER,
  CONTROLLER_EPOCH,
  FEATURES,
  PARTITIONS_PER_BUCKET,
  placeOf,
  registrationPath,
  topicPath,
  type Place,
} from './paths.js'
import {
  decodeBroker,
  decodeBucket,
  decodeClusterId,
  decodeConfigs,
  decodeController,
  decodeFeatures,
  decodeRegistration,
  decodeTopic,
  type TopicNode,
} from './znode-data.js'

export interface HeldNode {
  readonly data: Uint8Array | null
  readonly czxid: bigint
  readonly mzxid: bigint
  readonly version: number
  readonly ephemeralOwner: bigint
}

/** A topic whose writes a former controller did not finish. */
export interface UnfinishedTopic {
  readonly name: string
  readonly topicId: string
  readonly buckets: readonly number[]
}

export class MetadataNodes {
  #image: MetadataImage = emptyImage('')
  readonly #nodes = new Map<string, HeldNode>()
  /** Topic → numbers of its bucket znodes. */
  readonly #buckets = new Map<string, Set<number>>()
  readonly #brokers = new Set<number>()
  /** What `commit` looks at again, by place. */
  readonly #touchedTopics = new Map<string, Set<number>>()
  readonly #touched = new Map<string, Place>()
  /** Topics with a `state`, or with buckets beyond their count. */
  readonly #unfinished = new Set<string>()

  get image(): MetadataImage {
    return this.#image
  }

  get(path: string): HeldNode | undefined {
    return this.#nodes.get(path)
  }

  paths(): IterableIterator<string> {
    return this.#nodes.keys()
  }

  put(path: string, data: Uint8Array | null, stat: Stat): void {
    const known = this.#nodes.get(path)
    if (known?.mzxid === stat.mzxid && known.czxid === stat.czxid) return
    const { czxid, mzxid, version, ephemeralOwner } = stat
    this.#nodes.set(path, { data, czxid, mzxid, version, ephemeralOwner })
    const place = placeOf(path)
    if (place?.kind === 'topic' && place.bucket !== null) this.#bucketsOf(place.topic).add(place.bucket)
    if (place?.kind === 'broker') this.#brokers.add(place.id)
    this.#touch(path, place)
  }

  remove(path: string): void {
    if (!this.#nodes.delete(path)) return
    const place = placeOf(path)
    if (place?.kind === 'topic' && place.bucket !== null) {
      const buckets = this.#bucketsOf(place.topic)
      buckets.delete(place.bucket)
      if (buckets.size === 0) this.#buckets.delete(place.topic)
    }
    this.#touch(path, place)
  }

  #bucketsOf(topic: string): Set<number> {
    let buckets = this.#buckets.get(topic)
    if (!buckets) this.#buckets.set(topic, (buckets = new Set()))
    return buckets
  }

  #touch(path: string, place: Place | null): void {
    if (!place) return
    if (place.kind !== 'topic') {
      this.#touched.set(place.kind === 'config' ? path : place.kind === 'broker' ? `broker ${place.id}` : place.kind, place)
      return
    }
    let buckets = this.#touchedTopics.get(place.topic)
    if (!buckets) this.#touchedTopics.set(place.topic, (buckets = new Set()))
    if (place.bucket !== null) buckets.add(place.bucket)
  }

  /** Everything given since the last call, as changes of the image: which has them when this returns. */
  commit(zxid: bigint): readonly MetadataChange[] {
    const changes: MetadataChange[] = []
    for (const place of this.#touched.values()) this.#changesAt(place, changes)
    // Topics after configs: whoever opens a partition finds its topic's settings there.
    for (const [topic, buckets] of this.#touchedTopics) {
      // One that misses a bucket yet is looked at again, with what it has so far, when the bucket comes.
      if (this.#changesOfTopic(topic, buckets, changes)) this.#touchedTopics.delete(topic)
    }
    this.#touched.clear()
    if (changes.length > 0 || zxid > this.#image.zxid) {
      this.#image = applyDelta(this.#image, { zxid: zxid > this.#image.zxid ? zxid : this.#image.zxid, changes })
    }
    return changes
  }

  #changesAt(place: Place, out: MetadataChange[]): void {
    switch (place.kind) {
      case 'broker':
        this.#changesOfBroker(place.id, out)
        break
      case 'config': {
        const node = this.#nodes.get(configPath(place.resource, place.name))
        const before = this.#image.configs.has(configKey(place.resource, place.name))
        const values = node ? decodeConfigs(node.data) : new Map<string, string>()
        if (values.size > 0 || before) out.push({ kind: 'config', resource: place.resource, name: place.name, values })
        break
      }
      case 'controller': {
        const id = this.#nodes.has(CONTROLLER) ? decodeController(this.#nodes.get(CONTROLLER)!.data).brokerId : -1
        const epoch = Number(Buffer.from(this.#nodes.get(CONTROLLER_EPOCH)?.data ?? '0').toString('utf8'))
        if (id !== this.#image.controllerId || epoch !== this.#image.controllerEpoch) out.push({ kind: 'controller', id, epoch })
        break
      }
      case 'features':
        out.push({ kind: 'features', features: this.#nodes.has(FEATURES) ? decodeFeatures(this.#nodes.get(FEATURES)!.data) : new Map() })
        break
      case 'cluster':
        out.push({ kind: 'cluster', clusterId: this.#nodes.has(CLUSTER_ID) ? decodeClusterId(this.#nodes.get(CLUSTER_ID)!.data) : '' })
        break
      case 'topic':
        break
    }
  }

  #changesOfBroker(id: number, out: MetadataChange[]): void {
    const broker = this.#brokerImage(id)
    if (broker) out.push({ kind: 'broker', broker })
    else {
      this.#brokers.delete(id)
      if (this.#image.brokers.has(id)) out.push({ kind: 'broker-gone', id })
    }
  }

  #brokerImage(id: number): BrokerImage | null {
    const node = this.#nodes.get(brokerPath(id))
    const kept = this.#nodes.get(registrationPath(id))
    const registration = kept ? decodeRegistration(kept.data) : null
    if (!node) {
      if (!registration) return null
      const { epoch, endpoints, rack } = registration
      const away = {
        fenced: true,
        shuttingDown: false,
        alive: false,
        ready: false,
        accepted: true,
        incarnation: '',
        uncleanShutdown: false,
        lostWrites: false,
        lostDirs: false,
      }
      return { id, epoch, endpoints, rack, ...away, features: new Map(), logDirs: [] }
    }
    const said = decodeBroker(node.data)
    const accepted = registration?.epoch === node.czxid
    return {
      id,
      epoch: node.czxid,
      endpoints: said.endpoints,
      rack: said.rack,
      fenced: !accepted || said.state === 'starting',
      shuttingDown: said.state === 'stopping' || (accepted && registration.shuttingDown),
      alive: true,
      ready: said.state !== 'starting',
      accepted,
      incarnation: said.incarnation,
      uncleanShutdown: said.uncleanShutdown,
      lostWrites: said.lostWrites,
      lostDirs: !accepted && registration?.logDirs?.some((dir) => !said.logDirs.includes(dir)) === true,
      features: said.features,
      logDirs: said.logDirs,
    }
  }

  /** False: not all of it is here. */
  #changesOfTopic(name: string, touched: ReadonlySet<number>, out: MetadataChange[]): boolean {
    const before = this.#image.topics.get(name)
    const node = this.#nodes.get(topicPath(name))
    const said = node ? decodeTopic(node.data) : null
    this.#noteUnfinished(name, said)
    if (!said || said.state) {
      if (before) out.push({ kind: 'topic-deleted', name, id: before.id })
      return true
    }
    const replaced = before !== undefined && before.id !== said.topicId
    if (before && !replaced && before.partitions.length === said.partitions && before.alwaysSynced === said.alwaysSynced) {
      const partitions = [...touched].flatMap((bucket) => this.#changedIn(name, bucket, before))
      if (partitions.length > 0) out.push({ kind: 'partitions', topic: name, partitions })
      return true
    }
    const topic = this.#wholeTopic(name, said, touched, replaced ? undefined : before)
    if (!topic) return false
    if (replaced) out.push({ kind: 'topic-deleted', name, id: before.id })
    out.push({ kind: 'topic', topic })
    return true
  }

  #noteUnfinished(name: string, said: { readonly partitions: number; readonly state: string | null } | null): void {
    const count = said && !said.state ? Math.ceil(said.partitions / PARTITIONS_PER_BUCKET) : 0
    const beyond = [...(this.#buckets.get(name) ?? [])].some((bucket) => bucket >= count)
    if (said && (said.state || beyond)) this.#unfinished.add(name)
    else this.#unfinished.delete(name)
  }

  #changedIn(name: string, bucket: number, before: TopicImage): PartitionImage[] {
    const node = this.#nodes.get(bucketPath(name, bucket))
    if (!node) return []
    return decodeBucket(node.data, bucket).filter((state) => {
      const known = before.partitions[state.partition]
      return known !== undefined && (known.partitionEpoch !== state.partitionEpoch || known.leaderEpoch !== state.leaderEpoch)
    })
  }

  /** Null while a bucket is missing: its creation is on the way. */
  #wholeTopic(name: string, said: TopicNode, touched: ReadonlySet<number>, before: TopicImage | undefined): TopicImage | null {
    const { topicId: id, partitions: count, alwaysSynced } = said
    const partitions: PartitionImage[] = []
    for (let bucket = 0; bucket * PARTITIONS_PER_BUCKET < count; bucket++) {
      const first = bucket * PARTITIONS_PER_BUCKET
      const isFull = before !== undefined && before.partitions.length >= first + PARTITIONS_PER_BUCKET
      if (isFull && !touched.has(bucket)) {
        partitions.push(...before.partitions.slice(first, first + PARTITIONS_PER_BUCKET))
        continue
      }
      const node = this.#nodes.get(bucketPath(name, bucket))
      if (!node) return null
      partitions.push(...decodeBucket(node.data, bucket))
    }
    return partitions.length < count ? null : { name, id, partitions: partitions.slice(0, count), alwaysSynced }
  }

  /** What a former controller began and did not end: topics to be removed, and buckets that no topic counts. */
  leftovers(): { readonly topics: readonly UnfinishedTopic[]; readonly buckets: readonly string[] } {
    const topics: UnfinishedTopic[] = []
    const orphans: string[] = []
    for (const name of this.#unfinished) {
      const said = decodeTopic(this.#nodes.get(topicPath(name))!.data)
      const buckets = [...(this.#buckets.get(name) ?? [])].sort((a, b) => a - b)
      if (said.state) topics.push({ name, topicId: said.topicId, buckets })
      else
        orphans.push(
          ...buckets.filter((bucket) => bucket * PARTITIONS_PER_BUCKET >= said.partitions).map((bucket) => bucketPath(name, bucket)),
        )
    }
    return { topics, buckets: orphans }
  }
}
