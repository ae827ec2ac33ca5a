#!/usr/bin/env python3
"""An acknowledged block is on stable storage: seen in the system calls of a data server and of metadata.

For each published block: its bytes are synced (fdatasync or fsync), then it takes its name (renameat2, or linkat), then the directory is
synced, and only then the answer leaves. Nothing of that happens on the thread that runs the loop.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import harness
from harness import Cluster, expect, wait_until

CALLS = "openat,fdatasync,fsync,renameat2,linkat,epoll_wait,epoll_pwait,pwrite64,sync_file_range"
LINE = re.compile(r"^(?:\[pid\s+)?(\d+)\]?\s+(\d+\.\d+)\s+(\w+)\((.*)$")


class Trace:
    """strace over a running daemon."""

    def __init__(self, cluster, name):
        self.file = cluster.file(f"{name}.strace")
        self.pid = cluster.pid(name)
        self.strace = subprocess.Popen(["strace", "-f", "-ttt", "-y", "-s", "64", "-e", f"trace={CALLS}", "-o", self.file, "-p",
                                        str(self.pid)], stderr=subprocess.DEVNULL)
        wait_until(self.is_attached, 10, "strace is attached")

    def is_attached(self):
        expect(self.strace.poll() is None, "strace may not trace here (ptrace is forbidden)")
        threads = os.listdir(f"/proc/{self.pid}/task")
        for thread in threads:
            with open(f"/proc/{self.pid}/task/{thread}/status", encoding="ascii") as status:
                if "TracerPid:\t0\n" in status.read():
                    return False
        return True

    def end(self):
        self.strace.send_signal(signal.SIGINT)
        self.strace.wait()
        calls = []
        with open(self.file, encoding="utf-8", errors="replace") as file:
            for line in file:
                match = LINE.match(line)
                if match:
                    thread, at, name, rest = match.groups()
                    calls.append((int(thread), float(at), name, rest))
        return calls


def loop_threads(calls):
    """Those that wait for the network; libmicrohttpd's waits too, and never touches the disk."""
    return {thread for thread, _, name, _ in calls if name in ("epoll_wait", "epoll_pwait")}


def syncs(calls):
    return [(at, rest) for _, at, name, rest in calls if name in ("fdatasync", "fsync")]


def test_order_of_a_put():
    with Cluster(data=3) as cluster:
        tracer = Trace(cluster, "d1")
        meta = Trace(cluster, "meta")
        cluster.good("put", cluster.random_file("x", 300_000), "traced")
        answered = time.time()
        calls = tracer.end()
        meta_calls = meta.end()
        store = cluster.path("d1")
        published = [(at, rest) for _, at, name, rest in calls if name in ("renameat2", "linkat") and ".tmp-" in rest]
        expect(len(published) == 3, f"three blocks take their names: {published}")
        for at, rest in published:
            temporary = re.search(r'"([^"]*\.tmp-[^"]*)"', rest).group(1)
            before = [sync for sync, what in syncs(calls) if temporary in what and sync < at]
            after = [sync for sync, what in syncs(calls) if re.search(re.escape(store) + r">", what) and sync > at]
            expect(before, f"{temporary} is synced before it takes its name")
            expect(after and min(after) < answered, f"the directory is synced after {temporary} took its name")
        loops = loop_threads(calls)
        expect(loops, "the loop was seen")
        for thread, _, name, rest in calls:
            expect(thread not in loops or name not in ("fdatasync", "fsync", "renameat2", "linkat", "pwrite64"),
                   f"on the loop's thread: {name}({rest}")
        journal = [at for at, what in syncs(meta_calls) if "journal" in what]
        expect(journal and min(journal) < answered, "metadata syncs its journal before the PUT is acknowledged")
        expect(not [1 for thread, _, name, _ in meta_calls if thread in loop_threads(meta_calls) and name in ("fdatasync", "fsync")],
               "metadata syncs on the loop's thread")


def test_async_is_a_choice():
    with Cluster(data=3) as cluster:
        tracer = Trace(cluster, "d1")
        put = cluster.json("put", "--durability", "async", cluster.random_file("x", 300_000), "async")
        calls = tracer.end()
        expect(put["replicas_durable"] == 0, f"says what it is: {put}")
        expect(not [what for _, what in syncs(calls) if ".tmp-" in what], "async syncs no block")


if __name__ == "__main__":
    if shutil.which("strace") is None:
        print("durability.py: strace is missing; ci/setup installs it", file=sys.stderr)
        sys.exit(1)
    sys.exit(harness.main(sys.modules[__name__]))
