// The doors a handler may open. Each has one implementation; which thread does the work is hidden here.

import type { ConfigStore } from '../config/config-store.js'
import type { ControllerApi } from '../../controller/controller-api.js'

export interface BrokerServices {
  /** Topics, partitions, configs, ids: runs on the thread coordinator, which hosts the controller. Each call resolves after this thread's image has the change. */
  readonly controller: ControllerApi
  /** Effective settings (override → dynamic default → static → built-in default) with their source. */
  readonly configs: ConfigStore
  /** Calls `method` of the group coordinator that owns `partition` of __consumer_offsets, on whichever worker that is. */
  callGroupCoordinator(partition: number, method: string, argument: object): Promise<object>
  /** The __consumer_offsets partition of a group id (Java hashCode mod partition count), creating the topic when missing; -1 while it cannot be. */
  groupPartitionFor(groupId: string): Promise<number>
}
