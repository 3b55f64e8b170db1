#!/usr/bin/env bash
# Stands where suites expect ZooKeeper's own start script (`zkServer.sh start-foreground zoo.cfg`): the same configuration file, our server.
# ZK_SERVE: the command that takes DIR PORT TICK_MS.
cfg="$2"
value() { sed -n "s/^$1=//p" "$cfg"; }
if grep -q '^server\.2=' "$cfg"; then
  echo "an ensemble of one is all this script starts" >&2
  exit 1
fi
exec $ZK_SERVE "$(value dataDir)/ensemble" "$(value clientPort)" "$(value tickTime)"
