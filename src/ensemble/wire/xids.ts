// The xids of ZooKeeper's protocol that name no request of a client's own: below zero, and the same at both ends.

export const Xid = { event: -1, ping: -2, auth: -4, setWatches: -8 } as const
