#!/usr/bin/env python3
"""Peers that send garbage, nothing, or too much: they are closed, and everybody else is served."""

import os
import socket
import ssl
import sys
import time

import harness
from harness import Cluster, expect, wait_until

CONFIG = ("request_timeout=2s", "hop_timeout=1s", "connect_timeout=1s")

# A handshake may take 10 s, an idle stream request_timeout; the rest is for a busy machine.
CLOSED_S = 25


def is_closed(connection):
    try:
        connection.settimeout(0.05)
        return connection.recv(4096) == b""
    except (socket.timeout, ssl.SSLWantReadError):
        return False
    except OSError:
        return True


def tls(cluster, port, certificate=True):
    context = ssl.create_default_context(cafile=cluster.path("ca.pem"))
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if certificate:
        context.load_cert_chain(cluster.path("client.pem"), cluster.path("client.key"))
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=10))


def still_serves(cluster):
    cluster.good("put", "-", "alive", stdin=b"alive")
    expect(cluster.good("get", "alive", "-") == b"alive", "serves")
    for name in cluster.daemons():
        expect(cluster.is_running(name), f"{name} runs; its log: {cluster.log(name)[-500:]}")


def test_garbage():
    with Cluster(data=3, config=CONFIG) as cluster:
        for daemon in cluster.daemons().values():
            for port in (daemon["port"], daemon["http"]):
                for garbage in (os.urandom(4096), b"\0" * 100_000, b"GET / HTTP/1.1\r\n" * 1000, b"\x16\x03\x01\xff\xff" + os.urandom(999)):
                    try:
                        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                            connection.sendall(garbage)
                    except OSError:
                        pass  # closed in our face: as it should be
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            for size in (0, 1, 16, 100, 512, 9000):
                udp.sendto(os.urandom(size), ("127.0.0.1", daemon["port"]))
        still_serves(cluster)


def test_garbage_inside_tls():
    with Cluster(data=3, config=CONFIG) as cluster:
        huge = (0x7FFFFFFF).to_bytes(4, "big") * 2 + b"\0\x14\0\0\0\0\0\1"
        early = (16).to_bytes(4, "big") + (0).to_bytes(4, "big") + (20).to_bytes(2, "big") + b"\0\0\0\0\0\1" + os.urandom(16)
        for daemon in cluster.daemons().values():
            for garbage in (os.urandom(1000), huge, early, b"\0" * 64):
                connection = tls(cluster, daemon["port"])
                connection.sendall(garbage)
                wait_until(lambda connection=connection: is_closed(connection), CLOSED_S,
                           f"{daemon['name']} closes a peer that sends {garbage[:16].hex()}...")
        still_serves(cluster)


def test_silent_and_slow():
    """A connection without a handshake, one that says nothing, one that sends a byte now and then: all are closed."""
    with Cluster(data=3, config=CONFIG) as cluster:
        hello = (300).to_bytes(4, "big") + (0).to_bytes(4, "big") + (2).to_bytes(2, "big") + b"\0\0\0\0\0\1"
        peers = {}
        for name, daemon in cluster.daemons().items():
            peers[name, "bare"] = socket.create_connection(("127.0.0.1", daemon["port"]))
            peers[name, "idle"] = tls(cluster, daemon["port"])
            peers[name, "slow"] = tls(cluster, daemon["port"])
        trickle = list(hello + b"\0\1" + b"x" * 200)
        started = time.monotonic()
        while peers and time.monotonic() - started < CLOSED_S:
            byte = bytes([trickle.pop(0)])
            for key, connection in list(peers.items()):
                if is_closed(connection):
                    del peers[key]
                elif key[1] == "slow":
                    try:
                        connection.settimeout(1)
                        connection.sendall(byte)
                    except OSError:
                        del peers[key]
            time.sleep(0.2)
        expect(not peers, f"still open after {CLOSED_S} s: {list(peers)}")
        still_serves(cluster)


def test_strangers():
    """No token, a foreign CA, a node's port without being a node."""
    with Cluster(data=3) as cluster, Cluster(data=3) as other:
        foreign = cluster.file("foreign.json")
        ports = cluster.daemons()
        with open(foreign, "w", encoding="utf-8") as file:
            file.write('{"auth": "127.0.0.1:%d", "metadata": "127.0.0.1:%d", "ca": "%s", "certificate": "%s", "key": "%s", '
                       '"request_timeout": "1s", "connect_timeout": "500ms"}'
                       % (ports["auth"]["port"], ports["meta"]["port"], other.path("ca.pem"), cluster.path("client.pem"),
                          cluster.path("client.key")))
        cluster.bad(3, "TOKEN_MISSING", "ls", profile=foreign)
        code, _, err = cluster.dfs("login", "admin", "--password-file", cluster.path("admin.password"), profile=foreign)
        expect(code == 3, f"a server of another CA is not talked to: {err.decode()}")
        still_serves(cluster)


if __name__ == "__main__":
    sys.exit(harness.main(sys.modules[__name__]))
