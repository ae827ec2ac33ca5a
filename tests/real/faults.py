#!/usr/bin/env python3
"""The fault socket: lost heartbeats evict, a cut heals, and the event log tells of it."""

import http.client
import sys

import harness
from harness import Cluster, expect, wait_until

CONFIG = ("heartbeat_interval=500ms", "repair_grace=0s")


def test_lost_heartbeats():
    with Cluster(data=4, config=CONFIG, faults=True) as cluster:
        cluster.good("put", cluster.random_file("x", 400_000), "x")
        expect(cluster.fault("d3", {"drop": {"message": "HEARTBEAT"}}) == {"ok": True}, "drop")
        cluster.wait_state("d3", "EVICTED", 20)
        answer = cluster.fault("d3", {"rules": {}})
        expect(answer["ok"] and answer["rules"][0]["hits"] > 2, f"rules: {answer}")
        expect(cluster.fault("d3", {"heal": {}}) == {"ok": True}, "heal")
        cluster.wait_state("d3", "ACTIVE", 20)
        wait_until(lambda: cluster.copies("x") >= 3, 30, "x has three copies")
        node = cluster.daemons()["d3"]["node"]
        events = cluster.events("meta")
        evicted = [event for event in events if event["event"] == "evicted" and event["node"] == node]
        joined = [event for event in events if event["event"] == "joined" and event["node"] == node]
        # Its control connection lives, so it joins again and again, and is evicted while it is still JOINING.
        expect(len(evicted) >= 1 and len(joined) == 2, f"{len(evicted)} evictions, {len(joined)} joins in the event log")
        late_ns = evicted[0]["mono_ns"] - evicted[0]["b"]
        # Never before two intervals, and after three only because this machine was busy with something else.
        expect(1_000_000_000 <= late_ns <= 3_000_000_000, f"evicted {late_ns} ns after the last heartbeat")


def test_cut_and_heal():
    with Cluster(data=4, config=CONFIG, faults=True) as cluster:
        meta = f"127.0.0.1:{cluster.daemons()['meta']['port']}"
        expect(cluster.fault("d1", {"cut": {"addr": meta}}) == {"ok": True}, "cut")
        cluster.wait_state("d1", "EVICTED", 20)
        cluster.good("put", "-", "meanwhile", stdin=b"1" * 200_000)
        cluster.fault("d1", {"heal": {}})
        cluster.wait_state("d1", "ACTIVE", 30)


def test_slow_peer():
    """A stream that is reset in the middle of a PUT is taken up by another placement or attempt."""
    with Cluster(data=4, config=CONFIG + ("request_timeout=5s", "hop_timeout=1s", "connect_timeout=1s"), faults=True) as cluster:
        source = cluster.random_file("x", 3_000_000)
        for command in ({"drop": {"message": "BLOCK_WRITTEN", "count": 1}}, {"delay": {"message": "BLOCK_WRITTEN", "by": "300ms"}}):
            for name in ("d1", "d2"):
                expect(cluster.fault(name, command)["ok"], f"{command}")
            cluster.good("put", source, "x")
            cluster.good("get", "x", cluster.file("back"))
            expect(harness.digest(source) == harness.digest(cluster.file("back")), "bytes")
            for name in ("d1", "d2"):
                cluster.fault(name, {"heal": {}})


def test_bad_commands():
    with Cluster(data=3, faults=True) as cluster:
        for command in ({"cut": {}}, {"cutt": {"addr": "127.0.0.1:1"}}, {"drop": {"message": "HARTBEAT"}}, {"delay": {}},
                        {"drop": {"probability": 2}}, {"drop": {"count": 0}}, {"cut": {"node": "x"}}, {}, []):
            answer = cluster.fault("d1", command)
            expect(answer["ok"] is False and answer["error"], f"{command}: {answer}")


def test_absent_by_default():
    with Cluster(data=3) as cluster:
        import os
        expect(not os.path.exists(cluster.path("d1.fault")), "no fault socket unless asked for")


def fetch(port, url, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, url)
    response = connection.getresponse()
    return response.status, response.read().decode()


def test_metrics():
    with Cluster(data=3) as cluster:
        cluster.good("put", cluster.random_file("x", 250_000), "x")
        for name, daemon in cluster.daemons().items():
            expect(fetch(daemon["http"], "/healthz") == (200, "ok\n"), f"{name} is healthy")
            expect(fetch(daemon["http"], "/other")[0] == 404 and fetch(daemon["http"], "/metrics", "POST")[0] == 405, "others")
            status, text = fetch(daemon["http"], "/metrics")
            expect(status == 200, "metrics")
            samples = {}
            for line in text.splitlines():
                if line.startswith("#"):
                    continue
                key, value = line.rsplit(" ", 1)
                expect(key.startswith("dfs_") and key not in samples, f"{name}: {line}")
                samples[key] = int(value)
            expect(samples["dfs_host_steps_total"] > 0, f"{name}: steps")
            if name == "meta":
                expect(samples["dfs_meta_files"] == 1 and samples["dfs_meta_blocks"] == 2 and samples["dfs_meta_nodes_active"] == 3,
                       f"{samples}")


if __name__ == "__main__":
    sys.exit(harness.main(sys.modules[__name__]))
