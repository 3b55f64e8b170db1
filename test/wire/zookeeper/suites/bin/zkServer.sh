#!/usr/bin/env bash
# Stands where suites expect ZooKeeper's own start script (`zkServer.sh start-foreground zoo.cfg`): the same configuration file, our server.
# ZK_SERVE: the command that takes DIR PORT TICK_MS [ID VOTERS].
cfg="$2"
value() { sed -n "s/^$1=//p" "$cfg"; }
# server.1=127.0.0.1:2888:3888 -> 1@127.0.0.1:2888, ...
voters=$(sed -n 's/^server\.\([0-9]*\)=\([^:]*:[0-9]*\).*/\1@\2/p' "$cfg" | paste -sd,)
dir="$(value dataDir)"
exec $ZK_SERVE "$dir/ensemble" "$(value clientPort)" "$(value tickTime)" "$(cat "$dir/myid" 2>/dev/null || echo 1)" "$voters"
