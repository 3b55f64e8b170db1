// The znodes that hold a cluster's metadata: their paths, and the entity names inside them. Pure.
//
//   /cluster/id                                {"version":1,"id":…}
//   /controller                                ephemeral, who the controller is
//   /controller_epoch                          decimal text; its znode version fences every controller write
//   /brokers/ids/N                             ephemeral, written by the broker; its czxid is the broker epoch
//   /brokers/registered/N                      written by the controller: the epoch it has taken up; stays when the broker is away
//   /brokers/seqid                             its version gives out broker ids
//   /brokers/topics/T                          {"version":1,"topic_id":…,"partitions":count[,"state":…]}
//   /brokers/topics/T/partitions/B             state of partitions [256·B, 256·B + 256) of T
//   /config/{topics,brokers,groups,client-metrics}/E   overrides
//   /feature                                   finalized feature levels
//   /latest_producer_id_block                  the last block of producer ids given out

import type { ConfigResourceKind } from './image.js'

export const CLUSTER_ID = '/cluster/id'
export const CONTROLLER = '/controller'
export const CONTROLLER_EPOCH = '/controller_epoch'
export const BROKER_IDS = '/brokers/ids'
export const BROKER_REGISTRATIONS = '/brokers/registered'
export const BROKER_SEQUENCE = '/brokers/seqid'
export const TOPICS = '/brokers/topics'
export const FEATURES = '/feature'
export const PRODUCER_ID_BLOCK = '/latest_producer_id_block'

const CONFIG_FOLDERS = { topic: 'topics', broker: 'brokers', group: 'groups', 'client-metrics': 'client-metrics' } as const
export type StoredConfigKind = keyof typeof CONFIG_FOLDERS
export const STORED_CONFIG_KINDS = Object.keys(CONFIG_FOLDERS) as StoredConfigKind[]

/** What must stand before a controller can work, parents first. */
export const SKELETON = [
  '/cluster',
  '/brokers',
  BROKER_IDS,
  BROKER_REGISTRATIONS,
  TOPICS,
  BROKER_SEQUENCE,
  '/config',
  ...Object.values(CONFIG_FOLDERS).map((folder) => `/config/${folder}`),
] as const

/** Partitions per state znode: at 3 replicas about 20 KiB, far below what one write may carry. */
export const PARTITIONS_PER_BUCKET = 256

export function brokerPath(id: number): string {
  return `${BROKER_IDS}/${id}`
}

export function registrationPath(id: number): string {
  return `${BROKER_REGISTRATIONS}/${id}`
}

export function topicPath(topic: string): string {
  return `${TOPICS}/${topic}`
}

export function bucketsPath(topic: string): string {
  return `${TOPICS}/${topic}/partitions`
}

export function bucketPath(topic: string, bucket: number): string {
  return `${TOPICS}/${topic}/partitions/${bucket}`
}

/** Where a metadata znode belongs; null: nothing the image holds. */
export type Place =
  | { readonly kind: 'broker'; readonly id: number }
  | { readonly kind: 'topic'; readonly topic: string; readonly bucket: number | null }
  | { readonly kind: 'config'; readonly resource: StoredConfigKind; readonly name: string }
  | { readonly kind: 'controller' | 'features' | 'cluster' }

const CONFIG_KINDS = new Map(STORED_CONFIG_KINDS.map((kind) => [CONFIG_FOLDERS[kind] as string, kind]))

export function placeOf(path: string): Place | null {
  const [, root, second, third, fourth, fifth] = path.split('/')
  if (path === CONTROLLER || path === CONTROLLER_EPOCH) return { kind: 'controller' }
  if (path === FEATURES) return { kind: 'features' }
  if (path === CLUSTER_ID) return { kind: 'cluster' }
  if (root === 'config') {
    const resource = CONFIG_KINDS.get(second ?? '')
    return resource && third !== undefined ? { kind: 'config', resource, name: decodeEntity(third) } : null
  }
  if (root !== 'brokers' || third === undefined) return null
  if (second === 'ids' || second === 'registered') return { kind: 'broker', id: Number(third) }
  if (second !== 'topics') return null
  if (fourth === undefined) return { kind: 'topic', topic: third, bucket: null }
  return fourth === 'partitions' && fifth !== undefined ? { kind: 'topic', topic: third, bucket: Number(fifth) } : null
}

export function isStoredConfigKind(kind: ConfigResourceKind): kind is StoredConfigKind {
  return kind in CONFIG_FOLDERS
}

export function configFolder(kind: StoredConfigKind): string {
  return `/config/${CONFIG_FOLDERS[kind]}`
}

/** The cluster-wide default ('' as a name) is `<default>`, as Kafka called it; other names are percent-encoded, since a group id may hold anything. */
export function configPath(kind: StoredConfigKind, name: string): string {
  return `${configFolder(kind)}/${encodeEntity(name)}`
}

export function encodeEntity(name: string): string {
  if (name === '') return '<default>'
  return encodeURIComponent(name).replace(/^\.{1,2}$/, (dots) => '%2E'.repeat(dots.length))
}

export function decodeEntity(encoded: string): string {
  return encoded === '<default>' ? '' : decodeURIComponent(encoded)
}
