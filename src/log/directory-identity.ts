// Who a data directory belongs to, and which format it has: `meta.properties`, written once and checked at every start. Runs on the thread
// coordinator.

import { join } from 'node:path'
import type { Env } from '../env/env.js'
import type { Uuid } from '../model/topic-partition.js'
import { errorCodeOf, LogError } from './codes.js'
import { readFileIfAny, replaceFile, syncPath } from './files.js'

const META_FILE = 'meta.properties'
/** Raised when an older build could no longer read what a newer one writes. */
const FORMAT_VERSION = 1

/** Checked against what the directory says when given; written when it says nothing yet. */
export interface Owner {
  readonly clusterId?: string
  readonly nodeId?: number
}

/** False: nothing was here before. */
export function isClaimed(path: string): boolean {
  return readFileIfAny(join(path, META_FILE)) !== undefined
}

/** Who a directory is; undefined: it is new, empty, or not there. */
export function readDirectoryId(path: string): Uuid | undefined {
  try {
    return readProperties(path).get('directory.id')
  } catch (error) {
    // Not a directory, not readable: opening it says so.
    if (errorCodeOf(error) === 'ENOTDIR' || errorCodeOf(error) === 'EACCES' || errorCodeOf(error) === 'EIO') return undefined
    throw error
  }
}

export interface Identity {
  readonly directoryId: Uuid
  readonly durable: Promise<void>
}

/**
 * Reads who the directory belongs to, or writes it. A directory that had no identity gets one that is synced in the background: lost
 * with the power before it is durable, the directory is as new as it was, because nothing was acknowledged from it.
 */
export function claimIdentity(path: string, owner: Owner & { readonly env: Pick<Env, 'random'> }): Identity {
  const properties = readProperties(path)
  checkFormat(path, properties)
  checkOwner(path, 'cluster.id', properties, owner.clusterId)
  checkOwner(path, 'node.id', properties, owner.nodeId === undefined ? undefined : String(owner.nodeId))
  const directoryId = properties.get('directory.id') ?? Buffer.from(owner.env.random.bytes(16)).toString('base64url')
  const wanted = new Map(properties)
  wanted.set('version', '1')
  wanted.set('millrace.format', String(FORMAT_VERSION))
  wanted.set('directory.id', directoryId)
  if (owner.clusterId !== undefined) wanted.set('cluster.id', owner.clusterId)
  if (owner.nodeId !== undefined) wanted.set('node.id', String(owner.nodeId))
  const changed = wanted.size !== properties.size || Array.from(wanted).some(([name, value]) => properties.get(name) !== value)
  if (!changed) return { directoryId, durable: Promise.resolve() }
  const isNew = properties.size === 0
  replaceFile(path, META_FILE, Buffer.from(Array.from(wanted, ([name, value]) => `${name}=${value}\n`).join('')), !isNew)
  return { directoryId, durable: isNew ? syncIdentity(path) : Promise.resolve() }
}

async function syncIdentity(path: string): Promise<void> {
  await syncPath(join(path, META_FILE))
  await syncPath(path)
}

function readProperties(path: string): Map<string, string> {
  const properties = new Map<string, string>()
  const text = readFileIfAny(join(path, META_FILE))?.toString('utf8') ?? ''
  for (const line of text.split('\n')) {
    const match = /^\s*([^#!=\s]+)\s*=\s*(.*?)\s*$/.exec(line)
    if (match) properties.set(match[1]!, match[2]!)
  }
  return properties
}

function checkFormat(path: string, properties: ReadonlyMap<string, string>): void {
  const format = properties.get('millrace.format')
  if (format !== undefined && !(Number(format) <= FORMAT_VERSION)) {
    throw new LogError(
      'ERR_MILLRACE_FORMAT',
      `${path} has format ${format}, this build reads up to ${FORMAT_VERSION}: use the release that wrote it, or a newer one`,
    )
  }
  const version = properties.get('version')
  if (version !== undefined && version !== '1') {
    throw new LogError('ERR_MILLRACE_FORMAT', `${join(path, META_FILE)} has version ${version}, this build reads version 1`)
  }
}

function checkOwner(path: string, name: string, properties: ReadonlyMap<string, string>, wanted: string | undefined): void {
  const present = properties.get(name)
  if (wanted !== undefined && present !== undefined && present !== wanted) {
    throw new LogError(
      'ERR_MILLRACE_WRONG_DIR',
      `${path} belongs to ${name}=${present}, this node has ${name}=${wanted}: choose another --data-dir`,
    )
  }
}
