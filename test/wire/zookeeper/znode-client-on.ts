// The suite of every ZnodeClient, over TCP, on the server that ZK_CONNECT names: Apache ZooKeeper with extendedTypesEnabled=true, or ours.
// Not part of `npm test`. Usage: ZK_CONNECT=host:port node --test dist/test/wire/zookeeper/znode-client-on.js

import { WireClient } from '../../../src/ensemble/wire/client.js'
import { realEnv } from '../../../src/env/real.js'
import { znodeClientSuite } from '../../ensemble/znode-client-suite.js'

const servers = process.env['ZK_CONNECT']
if (servers === undefined) throw new Error('ZK_CONNECT=host:port[,host:port] says which server to test')

znodeClientSuite({
  name: `on ${servers}`,
  connect: async (t) => {
    const client = await WireClient.connect({ env: realEnv(), servers, sessionTimeoutMs: 6000 })
    t.after(() => client.close())
    return client
  },
})
