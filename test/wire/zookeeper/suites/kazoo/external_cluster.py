"""A pytest plugin: kazoo's own tests run against servers that are already there, instead of a cluster that kazoo starts.

ZK_CONNECT=host:port[,host:port...]   the servers
ZK_CONTROL=host:port                  takes the lines `stop I` and `start I` (I from 1), answers one line each
"""

import os
import socket

import kazoo.testing.harness as harness

CONTROL = os.environ.get("ZK_CONTROL")


def control(word, index):
    host, port = CONTROL.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=30) as s:
        s.sendall(("%s %d\n" % (word, index)).encode())
        answer = s.makefile().readline().strip()
        if answer != "ok":
            raise RuntimeError("%s %d: %s" % (word, index, answer))


class Server:
    def __init__(self, index, address):
        self.index = index
        self.address = address
        self.client_port = int(address.rsplit(":", 1)[1])
        self.running = True

    @property
    def secure_address(self):
        return self.address

    def stop(self):
        if self.running:
            control("stop", self.index)
            self.running = False

    def run(self):
        if not self.running:
            control("start", self.index)
            self.running = True

    def get_logs(self):
        return []


class Cluster(list):
    def start(self):
        for server in self:
            server.run()

    def stop(self):
        for server in self:
            server.stop()

    terminate = reset = lambda self: self.start()

    def get_logs(self):
        return []


CLUSTER = Cluster(Server(i + 1, a) for i, a in enumerate(os.environ["ZK_CONNECT"].split(",")))
harness.get_global_cluster = lambda: CLUSTER
