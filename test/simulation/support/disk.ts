// The test build of the addon: the same functions, on disks that lose what was not synced. Loading it here replaces the
// addon for the whole thread, so only simulations import this file.

import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type NativeAddon, useNative } from '../../../src/log/native.js'

interface SimulationAddon extends NativeAddon {
  simulateDisk(root: string, seed: number): void
  forgetDisk(root: string): void
  crashDisk(root: string): DiskLosses
  setDiskFaults(root: string, room: number, writeError: boolean, syncError: boolean): void
  flipBit(root: string, path: string, bit: number): void
}

export interface DiskLosses {
  readonly files: number
  readonly torn: number
  readonly bytes: number
}

export interface DiskFaults {
  /** Bytes that still fit before ENOSPC; absent: no limit. */
  readonly room?: number
  readonly writeError?: boolean
  readonly syncError?: boolean
}

const built = join(import.meta.dirname, '..', '..', '..', '..', 'target', 'addon-simulation')
const binary = readdirSync(built).find((name) => name.endsWith('.node'))
if (binary === undefined) throw new Error(`no test build of the addon in ${built}: npm test makes it (node native/build.mjs --simulation)`)
const addon = createRequire(import.meta.url)(join(built, binary)) as SimulationAddon
useNative(addon)

/** A directory whose segment files lie on a disk of their own. fsync takes no time here and ends in the call. */
export class SimulatedDisk {
  readonly root: string
  #seed: number

  constructor(root: string, seed: number) {
    this.root = root
    this.#seed = seed
    addon.simulateDisk(root, seed)
  }

  /** Power loss: every page that was not synced is old or new. Handles below the root must not be used any more. */
  crash(): DiskLosses {
    return addon.crashDisk(this.root)
  }

  /** Another disk in its place, with nothing on it. */
  replace(): void {
    addon.crashDisk(this.root)
    rmSync(this.root, { recursive: true, force: true })
    mkdirSync(this.root)
    addon.simulateDisk(this.root, ++this.#seed)
  }

  setFaults(faults: DiskFaults): void {
    addon.setDiskFaults(this.root, faults.room ?? -1, faults.writeError ?? false, faults.syncError ?? false)
  }

  flipBit(path: string, bit: number): void {
    addon.flipBit(this.root, path, bit)
  }

  forget(): void {
    addon.forgetDisk(this.root)
  }
}
