#!/usr/bin/env python3
"""Throughput of a real cluster on loopback: 1 GiB PUT and GET, four data servers, three copies.

    ci/benches/cluster.py [--bin DIR] [--dir DIR] [--data 4] [--size 1GiB] [--runs 3] [--durability async|sync] [--json FILE]
    ci/benches/cluster.py --memory [--size 10GiB] ...      what one PUT and two GETs of a large file need, at most 128 MiB a process

Prints GiB/s and CPU seconds per GiB over all processes (daemons and client), medians over the runs. CPU seconds are what
a shared machine disturbs least. All free memory is touched and released before each run, so that the host has backed it. Each file is read
three times: into a new file right behind the PUT; into another one, when the PUT's write-back is over; and into nothing, which is what the target's
pipeline does.

Targets: half the rate and twice the CPU seconds of an ideal pipeline on the same kind of machine (0.33 and 1.1 GiB/s,
4.9 and 1.4 CPU-s/GiB over TLS): PUT 0.165 GiB/s and 9.8, GET 0.55 GiB/s and 2.8.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

GIB = 1 << 30
RESIDENT_MIB_MAX = 128


def size_of(text):
    for unit, factor in (("GiB", GIB), ("MiB", 1 << 20), ("KiB", 1 << 10), ("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if text.endswith(unit):
            return int(float(text[: -len(unit)]) * factor)
    return int(text)


def cpu_of(pids):
    """CPU seconds so far of these processes."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0.0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / ticks
    return total


def daemons_under(directory):
    """Processes whose command line names the cluster's directory."""
    pids = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                command = file.read()
        except OSError:
            continue
        if directory.encode() in command and b"--config" in command:
            pids.append(int(entry))
    return pids


def peak_of(pid):
    """MiB that were resident at most since the process was started; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            return max((int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM:")), default=0)
    except OSError:
        return 0


class Peak(threading.Thread):
    """Looks at a child's peak until it ends. (What wait4 says includes the process that started it, which is larger.)"""

    def __init__(self, pid):
        super().__init__()
        self.pid, self.mib, self.ended = pid, 0, threading.Event()

    def run(self):
        while not self.ended.wait(0.02):
            self.mib = max(self.mib, peak_of(self.pid))


def touch():
    """On a virtual machine the first touch of a page costs the host's time, not ours, and more than all that a PUT does with it: have it behind us. All free
    memory, since what was freed last is not what the kernel gives first."""
    with open("/proc/meminfo", encoding="ascii") as file:
        free = next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemFree:"))
    subprocess.run([sys.executable, "-c", f"b'1' * {free * 9 // 10}"], check=True)


def run(command, pids, size):
    daemons = cpu_of(pids)
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
        peak = Peak(child.pid)
        peak.start()
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - started
        peak.ended.set()
        peak.join()
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"cluster.py: {' '.join(command)} ended with {child.returncode}")
    cpu = usage.ru_utime + usage.ru_stime + cpu_of(pids) - daemons
    gib = size / GIB
    return {"gib_per_s": gib / wall, "cpu_s_per_gib": cpu / gib, "client_rss_mib": peak.mib}


def get_of(dfs, path, source, target, pids, size):
    """A GET into a new file, compared with what was put. The file is gone again: the next one does not write over it."""
    get = run([dfs, "get", path, target], pids, size)
    if subprocess.run(["cmp", "-s", source, target]).returncode != 0:
        sys.exit("cluster.py: the file read back differs")
    os.unlink(target)
    return get


def median_of(samples):
    return {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}


def measure_speed(options, dfs, pids, source, target, size):
    puts, earlies, gets, discards = [], [], [], []
    for number in range(options.runs + 1):
        touch()
        path = f"bench/{number}"
        put = run([dfs, "put", "--durability", options.durability, source, path], pids, size)
        early = get_of(dfs, path, source, target, pids, size)
        os.sync()
        get = get_of(dfs, path, source, target, pids, size)
        discard = run([dfs, "get", path, "-"], pids, size)
        subprocess.run([dfs, "rm", path], check=True, stdout=subprocess.DEVNULL)
        if number > 0:  # the first one warms up
            puts.append(put)
            earlies.append(early)
            gets.append(get)
            discards.append(discard)
    return {"put": median_of(puts), "get_at_once": median_of(earlies), "get": median_of(gets), "get_to_nothing": median_of(discards)}


def measure_memory(options, dfs, pids, source, target, size):
    figures = {"put": run([dfs, "put", "--durability", options.durability, source, "bench/large"], pids, size)}
    figures["get"] = get_of(dfs, "bench/large", source, target, pids, size)
    figures["get_to_nothing"] = run([dfs, "get", "bench/large", "-"], pids, size)
    return figures


def peaks_of(pids):
    """MiB of the largest daemon of each kind."""
    peaks = {}
    for pid in pids:
        with open(f"/proc/{pid}/comm", encoding="ascii") as file:
            name = file.read().strip()
        peaks[name] = max(peaks.get(name, 0), peak_of(pid))
    return peaks


def make_source(path, size, sparse):
    with open(path, "wb") as file:
        if sparse:
            file.truncate(size)
            return
        left = size
        while left > 0:
            left -= file.write(os.urandom(min(left, 1 << 24)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", default=os.path.join(os.environ.get("BUILD_RELEASE", "build/release"), "bin"))
    parser.add_argument("--dir", help="where the cluster lives (default: a temporary directory)")
    parser.add_argument("--data", type=int, default=4)
    parser.add_argument("--size", help="default: 1GiB, with --memory 10GiB")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--durability", default="async", choices=("async", "sync"))
    parser.add_argument("--config", action="append", default=[], help="KEY=VALUE for every daemon")
    parser.add_argument("--memory", action="store_true", help="one run of a file of zeros that takes no room itself; the disk has to hold four more of it")
    parser.add_argument("--json", help="write the figures there")
    options = parser.parse_args()
    options.size = options.size or ("10GiB" if options.memory else "1GiB")
    size = size_of(options.size)
    dfs = os.path.join(os.path.abspath(options.bin), "dfs")

    with tempfile.TemporaryDirectory(prefix="dfs-bench-", dir=options.dir) as top:
        room = shutil.disk_usage(top).free
        if options.memory and room < 4 * size + GIB:
            sys.exit(f"cluster.py: {top} has room for {room >> 20} MiB, {(4 * size + GIB) >> 20} are needed: give another place with --dir, or a smaller --size")
        cluster = os.path.join(top, "cluster")
        source = os.path.join(top, "source")
        up = [dfs, "local", "up", "--data", str(options.data), "--dir", cluster]
        for pair in options.config:
            up += ["--config", pair]
        make_source(source, size, options.memory)
        subprocess.run(up, check=True, stdout=subprocess.DEVNULL)
        try:
            os.environ["DFS_PROFILE"] = os.path.join(cluster, "profile.json")
            pids = daemons_under(cluster)
            if len(pids) < options.data + 2:
                sys.exit(f"cluster.py: {len(pids)} daemons found under {cluster}, expected {options.data + 2}")
            measure = measure_memory if options.memory else measure_speed
            figures = measure(options, dfs, pids, source, os.path.join(top, "target"), size)
            peaks = peaks_of(pids)
        finally:
            subprocess.run([dfs, "local", "down", "--dir", cluster], check=False, stdout=subprocess.DEVNULL)

    for name, figure in figures.items():
        print(f"{name.upper().replace('_', ' ')} {options.size} {options.durability}: {figure['gib_per_s']:.3f} GiB/s, "
              f"{figure['cpu_s_per_gib']:.2f} CPU-s/GiB, largest client {figure['client_rss_mib']:.0f} MiB resident")
    print("largest daemons: " + ", ".join(f"{name} {peaks[name]:.0f} MiB" for name in sorted(peaks)))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({**figures, "daemons_rss_mib": peaks, "size_bytes": size, "data": options.data, "durability": options.durability,
                       "runs": 1 if options.memory else options.runs}, file, indent=1)
    largest = max([figure["client_rss_mib"] for figure in figures.values()] + list(peaks.values()))
    if options.memory and largest > RESIDENT_MIB_MAX:
        sys.exit(f"cluster.py: {largest:.0f} MiB were resident in one process, allowed are {RESIDENT_MIB_MAX}")


if __name__ == "__main__":
    main()
