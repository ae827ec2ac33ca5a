#!/usr/bin/env python3
"""What an operator asks and says: status, fsck, explain, drain, a clean leave, a store that is gone."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import harness
from harness import Cluster, expect, wait_until

CONFIG = ("heartbeat_interval=500ms",)


def test_a_node_is_lost():
    with Cluster(data=4, config=CONFIG + ("repair_grace=6s",)) as cluster:
        for name in ("a", "b"):
            cluster.good("put", cluster.random_file(name, 800_000), f"files/{name}")
        fsck = cluster.json("fsck")
        expect({key: fsck[key] for key in ("files", "blocks", "whole", "under", "missing", "corrupt")} ==
               {"files": 2, "blocks": 8, "whole": 8, "under": 0, "missing": 0, "corrupt": 0} and fsck["paths"] == [], f"fsck: {fsck}")
        status = cluster.json("status")
        expect(status["nodes"]["ACTIVE"] == 4 and status["under"] == 0 and status["losses_survivable"] == 2, f"status: {status}")

        victim = next(replica["node"] for replica in cluster.json("stat", "files/a")["blocks"][0]["replicas"])
        name = next(name for name, daemon in cluster.daemons().items() if daemon["node"] == victim)
        cluster.kill(name)
        cluster.wait_state(name, "EVICTED", 20)
        code, out, _ = cluster.dfs("fsck", "files/")
        expect(code == 1 and b"BLOCK_MISSING" in out, f"fsck with copies missing: exit {code}: {out.decode()}")
        block = cluster.json("explain", "files/a")["blocks"][0]
        expect(block["copies"] == 2 and block["wanted"] == 3 and "grace" in block["why"], f"explain: {block}")
        expect(cluster.json("status")["under"] > 0, "status counts them")
        wait_until(lambda: cluster.dfs("fsck")[0] == 0, 60, "whole again after the grace")
        cluster.bad(3, "NOT_FOUND", "explain", "files/none")


def test_drain():
    with Cluster(data=4, config=CONFIG + ("repair_grace=0s",)) as cluster:
        cluster.good("put", cluster.random_file("a", 2_000_000), "a")
        cluster.good("drain", "d1")
        cluster.wait_state("d1", "DRAINING", 10)
        node = cluster.daemons()["d1"]["node"]

        def is_elsewhere():
            return all(sum(replica["node"] != node and replica["state"] == "ACTIVE" for replica in block["replicas"]) >= 3
                       for block in cluster.json("stat", "a")["blocks"])

        wait_until(is_elsewhere, 60, "three copies on the others")
        cluster.good("undrain", node)
        cluster.wait_state("d1", "ACTIVE", 10)
        cluster.bad(3, "NOT_FOUND", "drain", "d77")


def test_clean_leave():
    """SIGTERM: maintenance, not an eviction; nothing is copied meanwhile."""
    with Cluster(data=4, config=CONFIG + ("repair_grace=0s",), faults=True) as cluster:
        cluster.good("put", cluster.random_file("a", 900_000), "a")
        cluster.kill("d2", signal.SIGTERM)
        cluster.wait_state("d2", "MAINTENANCE", 10)
        wait_until(lambda: not cluster.is_running("d2"), 10, "d2 ends")
        cluster.good("get", "a", cluster.file("back"))
        cluster.up()
        wait_until(lambda: cluster.states() == {name: "ACTIVE" for name in ("d1", "d2", "d3", "d4")}, 20,
                   f"d2 is back, and nobody else went: {cluster.states()}")
        node = cluster.daemons()["d2"]["node"]
        expect(not [event for event in cluster.events("meta") if event["event"] == "evicted" and event["node"] == node],
               "a server that said it leaves was evicted")


def test_store_gone():
    """An empty directory in the place of a store is not a new store: evicted at once, and repaired from the others."""
    with Cluster(data=4, config=CONFIG + ("repair_grace=0s",)) as cluster:
        cluster.good("put", cluster.random_file("a", 900_000), "a")
        cluster.kill("d3")
        shutil.rmtree(cluster.path("d3"))
        os.mkdir(cluster.path("d3"), 0o700)
        cluster.up_without_waiting("d3")
        wait_until(lambda: "STORE_LOST" in cluster.log("d3") or "no marker" in cluster.log("d3"), 20, "d3 says what it lacks")
        wait_until(lambda: cluster.copies("a") >= 3, 60, "three copies again")


def test_bench():
    with Cluster(data=3) as cluster:
        bench = cluster.json("bench", "--size", "20MB", "--files", "3", "--durability", "async")
        expect(bench["files"] == 3 and bench["size"] >= 20_000_000, f"bench: {bench}")
        expect(bench["put"]["bytes_per_s"] > 0 and bench["get"]["bytes_per_s"] > 0, f"bench: {bench}")
        expect(cluster.json("ls", "-r") == [], "its files are gone")


def test_small_and_full():
    """One server alone takes one copy; a server that is full says so and stores nothing."""
    with Cluster(data=1, config=("capacity=20MB",)) as cluster:
        expect(cluster.json("put", cluster.random_file("a", 300_000), "a")["replicas_durable"] == 1, "one copy")
        code, _, err = cluster.dfs("put", cluster.random_file("big", 60_000_000), "big", timeout=200)
        expect(code == 3 and (b"NO_SPACE" in err or b"NOT_ENOUGH_NODES" in err), f"a full server: exit {code}: {err.decode()}")
        cluster.bad(3, "NOT_FOUND", "stat", "big")
        cluster.good("get", "a", cluster.file("back"))


def test_two_of_one_identity():
    """The directory is locked, and a configuration that is used twice does not start twice."""
    with Cluster(data=3) as cluster:
        code, _, err = harness.run(harness.program("dfs-data"), "--config", cluster.path("d1.json"))
        expect(code == 3 and b": IO: " in err and b"in use" in err and err.count(b"\n") == 1, f"a second dfs-data: exit {code}: {err.decode()}")
        expect(cluster.states()["d1"] == "ACTIVE", "the first one goes on")
        config = json.loads(open(cluster.path("d1.json"), encoding="utf-8").read())
        for key in ("listen", "http"):
            other = {**config, "listen": "127.0.0.1:0", "http": "127.0.0.1:0", "data_dir": "other", key: config[key]}
            with open(cluster.path("other.json"), "w", encoding="utf-8") as file:
                json.dump(other, file)
            code, _, err = harness.run(harness.program("dfs-data"), "--fresh-store", "--config", cluster.path("other.json"))
            expect(code == 3 and b": UNAVAILABLE: " in err and config[key].encode() in err and b"another port" in err and
                   err.count(b"\n") == 1, f"a port in use: exit {code}: {err.decode()}")


def test_out_of_reach():
    """Metadata that is not there is named, and so is the wait that somebody ends; `local up` needs no login of the profile's user."""
    with Cluster(data=1, config=("request_timeout=1s", "connect_timeout=500ms", "hop_timeout=500ms")) as cluster:
        cluster.kill("meta")
        address = f"127.0.0.1:{cluster.daemons()['meta']['port']}"
        line = cluster.bad(3, "UNREACHABLE", "stat", "a")
        expect(address in line and "does it run there" in line, f"says who, and what to do: {line}")
        with subprocess.Popen([harness.program("dfs"), "put", __file__, "a"], stderr=subprocess.PIPE,
                              env={**os.environ, "DFS_PROFILE": cluster.path("profile.json")}) as put:
            time.sleep(1)
            put.send_signal(signal.SIGINT)
            line = put.communicate()[1].decode()
        expect(put.returncode == 3 and "ABORTED" in line and address in line, f"an ended wait: exit {put.returncode}: {line}")
        cluster.good("logout")
        cluster.up()
        cluster.bad(3, "TOKEN_MISSING", "ls")
        cluster.good("login", "admin", "--password-file", cluster.path("admin.password"))
        cluster.bad(3, "NOT_FOUND", "drain", "d7")
        expect(cluster.json("ls") == [], "nothing of the PUT is left")


def test_ports():
    """Two that come up at a time do not find the same ports free: one waits until the other's daemons have theirs."""
    with tempfile.TemporaryDirectory() as top:
        first, second = os.path.join(top, "first"), os.path.join(top, "second")
        with socket.socket(socket.AF_UNIX) as claim:
            wait_until(lambda: bind_name(claim, "\0dfs local up"), 30, "nobody else comes up")
            words = (harness.program("dfs"), "local", "up", "--data", "1", "--dir", first)
            with subprocess.Popen(words, stdout=subprocess.DEVNULL) as waiting:
                time.sleep(0.5)
                expect(waiting.poll() is None and not os.path.exists(os.path.join(first, "cluster.json")), "it waits")
                claim.close()
                expect(waiting.wait() == 0, "then it comes up")
        try:
            code, _, err = harness.run(*words[:-1], second)
            expect(code == 0, f"and so does the next: {err.decode()}")
            ports = []
            for directory in (first, second):
                with open(os.path.join(directory, "cluster.json"), encoding="utf-8") as file:
                    mine = [port for daemon in json.load(file)["daemons"] for port in (daemon["port"], daemon["http"])]
                expect(mine == list(range(mine[0], mine[0] + 6)), f"they are successive: {mine}")
                ports += mine
            expect(len(set(ports)) == 12, f"each is used once: {ports}")
        finally:
            for directory in (first, second):
                harness.run(harness.program("dfs"), "local", "down", "--dir", directory)


def bind_name(listener, name):
    try:
        listener.bind(name)
        return True
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(harness.main(sys.modules[__name__]))
