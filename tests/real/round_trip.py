#!/usr/bin/env python3
"""What is stored comes back: sizes around every rule of blocks, streams, ranges, versions, names."""

import os
import sys

import harness
from harness import Cluster, expect

SIZES = (0, 1, 65536, 100_000, 250_000, 1_000_000, 25_000_000)
BLOCKS = {0: 0, 1: 1, 65536: 1, 100_000: 1, 250_000: 2, 1_000_000: 4, 25_000_000: 4}


def test_everything():
    with Cluster(data=3) as cluster:
        sizes(cluster)
        streams(cluster)
        ranges(cluster)
        names(cluster)
        versions(cluster)
        directories(cluster)
        whole_or_nothing(cluster)
        survives_restart(cluster)


def sizes(cluster):
    for size in SIZES:
        source = cluster.random_file(f"s{size}", size)
        put = cluster.json("put", source, f"sizes/{size}")
        expect(put["size"] == size and put["blocks"] == BLOCKS[size] and put["path"] == f"sizes/{size}", f"put says {put}")
        expect(put["replicas_durable"] == 3, f"put says {put}")
        target = cluster.file("target")
        cluster.good("get", f"sizes/{size}", target)
        expect(harness.digest(source) == harness.digest(target), f"{size} bytes came back different")
        stat = cluster.json("stat", f"sizes/{size}")
        expect(stat["size"] == size and len(stat["blocks"]) == BLOCKS[size] and stat["file"] == put["file"], f"stat says {stat}")
        expect(sum(block["length"] for block in stat["blocks"]) == size, "lengths of blocks")
        expect(all(len(block["replicas"]) == 3 for block in stat["blocks"]), "copies")


def streams(cluster):
    for size in (0, 1, 300_000, 9_000_000):
        with open(cluster.random_file("stream", size), "rb") as file:
            content = file.read()
        cluster.good("put", "-", "stream", stdin=content)
        expect(cluster.good("get", "stream", "-") == content, f"{size} bytes through pipes came back different")


def ranges(cluster):
    source = cluster.random_file("ranged", 1_000_000)
    with open(source, "rb") as file:
        content = file.read()
    cluster.good("put", source, "ranged")
    for first, last in ((0, 0), (0, 999_999), (999_999, 999_999), (249_999, 250_000), (100, 800_000)):
        expect(cluster.good("get", "--range", f"{first}-{last}", "ranged", "-") == content[first:last + 1], f"{first}-{last}")
    expect(cluster.good("get", "--range", "999000-", "ranged", "-") == content[999000:], "open range")


def names(cluster):
    cluster.good("put", "-", "names/ä b/ç", stdin=b"x")
    cluster.good("mv", "names/ä b/ç", "names/moved")
    cluster.bad(3, "NOT_FOUND", "get", "names/ä b/ç", "-")
    expect(cluster.good("get", "names/moved", "-") == b"x", "moved")
    cluster.good("rm", "names/moved")
    cluster.bad(3, "NOT_FOUND", "stat", "names/moved")
    cluster.good("restore", "names/moved")
    expect(cluster.good("get", "names/moved", "-") == b"x", "restored")
    listed = cluster.json("ls", "sizes/")
    expect(sorted(entry["path"] for entry in listed) == sorted(f"sizes/{size}" for size in SIZES), f"ls says {listed}")
    expect({entry["path"] for entry in cluster.json("ls")} >= {"sizes/", "names/", "ranged"}, "ls of the top")


def versions(cluster):
    first = cluster.json("put", cluster.random_file("v1", 1000), "versioned")["version"]
    second = cluster.json("put", cluster.random_file("v2", 2000), "versioned", "--if-version", first)["version"]
    expect(second > first, "versions grow")
    cluster.bad(3, "PRECONDITION_FAILED", "put", cluster.file("v1"), "versioned", "--if-version", first)
    cluster.bad(3, "EXISTS", "put", cluster.file("v1"), "versioned", "--if-absent")
    kept = {entry["version"]: entry["size"] for entry in cluster.json("versions", "versioned")}
    expect(kept == {first: 1000, second: 2000}, f"versions says {kept}")
    with open(cluster.file("v1"), "rb") as file:
        expect(cluster.good("get", "--version", first, "versioned", "-") == file.read(), "the old version")


def directories(cluster):
    os.makedirs(cluster.file("tree/sub"))
    for name in ("tree/a", "tree/sub/b"):
        cluster.random_file(name, 1234)
    cluster.bad(2, "-r", "put", cluster.file("tree"), "copy")
    cluster.good("put", "-r", cluster.file("tree"), "copy")
    expect([entry["path"] for entry in cluster.json("ls", "-r", "copy/")] == ["copy/a", "copy/sub/b"], "put -r")
    os.mkdir(cluster.file("back"))
    cluster.good("get", "copy/a", "copy/sub/b", cluster.file("back"))
    expect(harness.digest(cluster.file("back/b")) == harness.digest(cluster.file("tree/sub/b")), "get of two")


def whole_or_nothing(cluster):
    os.mkdir(cluster.file("empty"))
    cluster.bad(3, "NOT_FOUND", "get", "no/such/path", cluster.file("empty/x"))
    expect(os.listdir(cluster.file("empty")) == [], "a failed get leaves nothing")
    cluster.bad(3, "NOT_FOUND", "put", cluster.file("no-such-file"), "x")


def survives_restart(cluster):
    before = cluster.good("get", "sizes/1000000", "-")
    code, _, err = harness.run(harness.program("dfs"), "local", "down", "--dir", cluster.dir)
    expect(code == 0 and err == b"", f"local down: {err.decode()}")
    cluster.up()
    expect(cluster.good("get", "sizes/1000000", "-") == before, "after a restart of everything")


if __name__ == "__main__":
    sys.exit(harness.main(sys.modules[__name__]))
