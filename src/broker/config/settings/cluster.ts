// Broker settings of our own: the ensemble, the links between nodes, ZooKeeper. The zookeeper.* names are those of Kafka 3. Data only.

import { row } from './row.js'
import type { SettingDefinition } from '../definition.js'

const ADDRESS = { pattern: /^(?:\[[^\]]+\]|[^:\s]+):\d+$/, form: 'host:port' }
const MEMBER = { pattern: /^\d+@(?:\[[^\]]+\]|[^:\s@]+):\d+$/, form: 'id@host:port,…' }

export const CLUSTER_SETTINGS: readonly SettingDefinition[] = [
  row('millrace.cluster.secret', 'password', null, 'high', {
    acted: true,
    doc: 'What the nodes of a cluster prove to each other that they know, on links and between ensemble members. The same on every node.',
  }),
  row('millrace.ensemble', 'list', '', 'high', {
    ...MEMBER,
    acted: true,
    doc: 'The voting members of the ensemble, id@host:port, the same on every node; empty: this node alone. A node that is not named observes.',
  }),
  row('millrace.ensemble.client.listener', 'string', null, 'medium', {
    ...ADDRESS,
    acted: true,
    doc: 'host:port where ZooKeeper clients are served; none when left out.',
  }),
  row('millrace.ensemble.client.super.digest', 'string', null, 'low', {
    pattern: /^super:[A-Za-z0-9+/]{27}=$/,
    form: 'super:<base64 of sha1 of super:password>',
    acted: true,
    doc: "ZooKeeper's superDigest: the ZooKeeper client that may do everything, reconfig included; nobody when left out.",
  }),
  row('millrace.ensemble.listener', 'string', null, 'medium', {
    ...ADDRESS,
    acted: true,
    doc: 'host:port where the other members reach this one; the entry of this node in millrace.ensemble when left out.',
  }),
  row('millrace.ensemble.tick.ms', 'int', '2000', 'medium', {
    min: 50,
    max: 60_000,
    acted: true,
    doc: "ZooKeeper's tickTime: session timeouts are 2 to 20 of them, and expiry is looked at once in each.",
  }),
  row('millrace.link.advertised', 'string', null, 'medium', {
    ...ADDRESS,
    acted: true,
    doc: 'host:port that other nodes are told for links, where it differs from millrace.link.listener.',
  }),
  row('millrace.link.listener', 'string', null, 'high', {
    ...ADDRESS,
    acted: true,
    doc: 'host:port where other nodes reach this one for replication and control. A node of a cluster needs it.',
  }),
  row('millrace.link.tls.ca.file', 'string', null, 'medium', { acted: true, doc: 'PEM; peers must show a certificate that it signed.' }),
  row('millrace.link.tls.cert.file', 'string', null, 'medium', {
    acted: true,
    doc: 'PEM; links and ensemble connections use TLS when set.',
  }),
  row('millrace.link.tls.key.file', 'string', null, 'medium', { acted: true, doc: 'PEM; the key of the certificate.' }),
  row('zookeeper.connect', 'string', null, 'high', {
    acted: true,
    doc: 'host:port,… with an optional /chroot: coordinate by this Apache ZooKeeper ensemble instead of an embedded one.',
  }),
  row('zookeeper.connection.timeout.ms', 'int', '18000', 'high', {
    min: 1,
    acted: true,
    doc: 'How long a start waits for ZooKeeper or for a quorum of the embedded ensemble.',
  }),
  row('zookeeper.session.timeout.ms', 'int', '18000', 'high', {
    min: 100,
    acted: true,
    doc: 'A node that ZooKeeper has not heard for this long is taken for dead. With the embedded ensemble: broker.session.timeout.ms.',
  }),
]
