// What the controller is told from the settings of this node.

import type { ControllerRules } from '../controller/rules.js'
import type { ConfigStore } from './config/config-store.js'

export function controllerRules(configs: ConfigStore): ControllerRules {
  return {
    defaults: () => ({
      numPartitions: configs.getNumber('num.partitions'),
      replicationFactor: configs.getNumber('default.replication.factor'),
      deleteTopicEnable: configs.getBoolean('delete.topic.enable'),
    }),
    partitionRules: (topic) => ({
      minIsr: configs.topic(topic).minInsyncReplicas,
      uncleanElection: configs.topic(topic).uncleanLeaderElectionEnable,
    }),
    // An override only: the defaults of this node need not be those of the others.
    promisesDisk: (overrides) => overrides.get('millrace.ack') === 'disk' || overrides.get('flush.messages') === '1',
    leaderBalance: () =>
      configs.getBoolean('auto.leader.rebalance.enable')
        ? {
            intervalMs: configs.getNumber('leader.imbalance.check.interval.seconds') * 1000,
            // Kafka has no share any more below which it lets leaders be.
            percentage: 0,
          }
        : null,
    validateConfig: (kind, entity, name, value) => configs.validateChange(kind, entity, name, value),
    validateTogether: (kind, values) => configs.validateTogether(kind, values),
    listDefault: (kind, entity, name) => (configs.isListType(name) ? (configs.currentValue(kind, entity, name) ?? '') : null),
  }
}
