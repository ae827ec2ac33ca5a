#!/usr/bin/env python3
"""kill -9 under load: no acknowledged file is lost, dead servers are evicted, their blocks are copied again."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time

import harness
from harness import Cluster, expect, wait_until

# A server is evicted after 2.5 intervals and repaired at once; the rest is for a machine that is busy with other things.
CONFIG = ("heartbeat_interval=500ms", "repair_grace=0s", "request_timeout=10s", "hop_timeout=2s", "connect_timeout=2s")


class Load:
    """PUTs and GETs without a pause, and the ledger of what was acknowledged."""

    def __init__(self, cluster, workers=2):
        self.cluster = cluster
        self.acknowledged = {}
        self.failed = 0
        self.wrong = []
        self.reads = 0
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(worker,)) for worker in range(workers)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def work(self, worker):
        number = 0
        while not self.stopping.is_set():
            path = f"load/{worker}/{number}"
            content = os.urandom((1, 50_000, 300_000, 1_500_000)[number % 4])
            code, _, _ = self.cluster.dfs("put", "-", path, stdin=content)
            with self.lock:
                if code == 0:
                    self.acknowledged[path] = hashlib.sha256(content).digest()
                else:
                    self.failed += 1
                paths = list(self.acknowledged)
            if paths:
                self.read(paths[(7 * number) % len(paths)])
            number += 1

    def read(self, path):
        code, content, err = self.cluster.dfs("get", path, "-")
        with self.lock:
            if code == 0:
                self.reads += 1
            if code == 0 and hashlib.sha256(content).digest() != self.acknowledged[path]:
                self.wrong.append(path)
            elif code != 0 and (b"NOT_FOUND" in err or b"DATA_LOST" in err):
                self.wrong.append(f"{path}: {err.decode()}")

    def check(self):
        expect(not self.wrong, f"wrong answers under load: {self.wrong[:5]}")
        for path, want in self.acknowledged.items():
            content = self.cluster.good("get", path, "-")
            expect(hashlib.sha256(content).digest() == want, f"{path}: acknowledged, and its bytes are gone")

    def grow(self, count, seconds=60):
        """Waits for so many more acknowledged files."""
        goal = len(self.acknowledged) + count
        wait_until(lambda: len(self.acknowledged) >= goal, seconds,
                   f"{count} more files are acknowledged; {len(self.acknowledged)} are, {self.failed} failed")


def whole_again(cluster, load):
    """Every file has three copies on active servers."""
    left = set(load.acknowledged)

    def all_whole():
        for path in list(left):
            if cluster.copies(path) < 3 and cluster.json("stat", path)["size"] > 0:
                return False
            left.discard(path)
        return True

    wait_until(all_whole, 90, "every block has three copies on active servers")


def test_data_server():
    with Cluster(data=5, config=CONFIG) as cluster:
        with Load(cluster) as load:
            load.grow(6)
            cluster.kill("d2")
            load.grow(6)
            cluster.wait_state("d2", "EVICTED", 20)
            load.grow(4)
        load.check()
        whole_again(cluster, load)
        expect("d2" not in {replica["node"] for path in load.acknowledged
                            for block in cluster.json("stat", path)["blocks"] for replica in block["replicas"]
                            if replica["state"] == "ACTIVE"}, "an evicted server counts")
        # It comes back as a new incarnation, with what it has.
        cluster.up()
        cluster.wait_state("d2", "ACTIVE", 20)
        load.check()


def test_metadata():
    # Intervals so long that a machine busy with other things does not look like a dead server.
    with Cluster(data=4, config=("heartbeat_interval=2s",) + CONFIG[1:]) as cluster:
        with Load(cluster) as load:
            for _ in range(3):
                load.grow(4)
                cluster.kill("meta")
                time.sleep(0.5)
                cluster.up()
            load.grow(4)
        load.check()
        expect("EVICTED" not in cluster.states().values(), f"nobody died but metadata: {cluster.states()}")


def test_everything_at_once():
    with Cluster(data=4, config=CONFIG) as cluster:
        with Load(cluster) as load:
            load.grow(8)
            for name in cluster.daemons():
                os.kill(cluster.pid(name), signal.SIGKILL)
            wait_until(lambda: not any(cluster.is_running(name) for name in cluster.daemons()), 10, "all ended")
            cluster.up()
            load.grow(4)
        load.check()


def test_client():
    """A client that dies in the middle of a PUT leaves no file and no harm."""
    with Cluster(data=3, config=CONFIG + ("upload_lease=10s",)) as cluster:
        writer = subprocess.Popen([harness.program("dfs"), "put", "-", "half"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, env=dict(os.environ, DFS_PROFILE=cluster.path("profile.json")))
        writer.stdin.write(os.urandom(25_000_000))
        writer.stdin.flush()
        wait_until(cluster.stored, 30, "its first blocks are stored")
        writer.kill()
        writer.wait()
        cluster.bad(3, "NOT_FOUND", "stat", "half")
        cluster.good("put", cluster.random_file("whole", 500_000), "half")
        cluster.good("get", "half", cluster.file("back"))
        expect(harness.digest(cluster.file("back")) == harness.digest(cluster.file("whole")), "the path is free afterwards")
        wait_until(lambda: len(cluster.stored()) == 3 * 4, 60, "the blocks of the dead upload are removed")


def wait_for_handler(pid, number):
    """Until the process catches the signal: before, it dies of it, as any program does that has just begun."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            caught = next(int(line.split()[1], 16) for line in file if line.startswith("SigCgt:"))
        if caught >> (number - 1) & 1:
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} never caught signal {number}")


def interrupt(cluster, words, is_under_way):
    """Ctrl-C once the command is under way: one line, exit 3, soon. Its standard input never ends."""
    child = subprocess.Popen([harness.program("dfs"), *words], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, env=dict(os.environ, DFS_PROFILE=cluster.path("profile.json")))
    try:
        if words[0] == "put":
            child.stdin.write(os.urandom(25_000_000))  # more than two blocks
            child.stdin.flush()
        wait_for_handler(child.pid, signal.SIGINT)
        wait_until(is_under_way, 30, f"{words}: is under way")
        expect(child.poll() is None, f"{words}: ended by itself, exit {child.returncode}")
        child.send_signal(signal.SIGINT)
        started = time.monotonic()
        child.wait(timeout=30)
        line = child.stderr.read().decode()
        expect(time.monotonic() - started < 10, f"{words}: ends soon")
        expect(child.returncode == 3 and "ABORTED" in line and line.count("\n") == 1, f"{words}: exit {child.returncode}: {line}")
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stderr.close()


def test_interrupt():
    """Ctrl-C: one line, exit 3, soon; no half file here or there."""
    with Cluster(data=3) as cluster:
        interrupt(cluster, ("put", "-", "half"), cluster.stored)
        cluster.bad(3, "NOT_FOUND", "stat", "half")

        # No server answers: however fast the machine, the GET has not ended when it is interrupted.
        cluster.good("put", cluster.random_file("big", 20_000_000), "big", "--durability", "async")
        here = cluster.file("here")
        os.mkdir(here)
        servers = [cluster.pid(name) for name in ("d1", "d2", "d3")]
        for pid in servers:
            os.kill(pid, signal.SIGSTOP)
        try:
            interrupt(cluster, ("get", "big", f"{here}/big"), lambda: os.listdir(here) != [])
        finally:
            for pid in servers:
                os.kill(pid, signal.SIGCONT)
        expect(os.listdir(here) == [], "nothing is left of a GET that was given up")


if __name__ == "__main__":
    sys.exit(harness.main(sys.modules[__name__]))
