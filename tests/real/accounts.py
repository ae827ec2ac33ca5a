#!/usr/bin/env python3
"""Users, scopes, tokens: by dfs-auth with and without a running server, by dfs login."""

import json
import os
import shutil
import signal
import sys

import harness
from harness import Cluster, expect, program, run, wait_until


def auth(cluster, *words):
    return run(program("dfs-auth"), *words, "--config", cluster.path("auth.json"))


def write(cluster, name, text):
    path = cluster.file(name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def login(cluster, user, password, profile):
    ports = cluster.daemons()
    return cluster.dfs("login", user, "--password-file", password, "--auth", f"127.0.0.1:{ports['auth']['port']}", "--metadata",
                       f"127.0.0.1:{ports['meta']['port']}", "--ca", cluster.path("ca.pem"), profile=profile)


def test_accounts():
    with Cluster(data=3) as cluster:
        password = write(cluster, "ann.password", "correct horse\n")
        other = write(cluster, "other.password", "battery staple\n")
        ann = cluster.file("ann/profile.json")

        code, _, err = auth(cluster, "user", "add", "ann", "--scope", "rw:/home/ann r:/shared", "--password-file", password)
        expect(code == 0, f"user add while the server runs: {err.decode()}")
        code, _, err = auth(cluster, "user", "add", "ann", "--password-file", password)
        expect(code == 3 and b"EXISTS" in err, f"a second time: {err.decode()}")
        code, out, _ = auth(cluster, "user", "list", "--json")
        expect(code == 0 and {user["user"]: user["scope"] for user in json.loads(out)} ==
               {"admin": "rwa:/", "ann": "rw:/home/ann r:/shared"}, f"user list: {out.decode()}")

        code, _, err = login(cluster, "ann", other, ann)
        expect(code == 3 and b"LOGIN_FAILED" in err, f"a wrong password: {err.decode()}")
        code, _, err = login(cluster, "nobody", password, ann)
        expect(code == 3 and b"LOGIN_FAILED" in err, f"an unknown user: {err.decode()}")
        code, _, err = login(cluster, "ann", password, ann)
        expect(code == 0, f"login: {err.decode()}")
        expect(os.stat(ann).st_mode & 0o077 == 0, "the profile is its owner's")
        who = json.loads(cluster.good("whoami", "--json", profile=ann))
        expect(who["user"] == "ann" and who["scope"] == "rw:/home/ann r:/shared" and not who["expired"], f"whoami: {who}")

        cluster.good("put", "-", "home/ann/x", stdin=b"1", profile=ann)
        cluster.bad(3, "DENIED", "put", "-", "home/anna/x", stdin=b"1", profile=ann)
        cluster.bad(3, "DENIED", "put", "-", "shared/x", stdin=b"1", profile=ann)
        cluster.good("put", "-", "shared/x", stdin=b"2")
        expect(cluster.good("get", "shared/x", "-", profile=ann) == b"2", "the read scope")
        cluster.bad(3, "DENIED", "rm", "shared/x", profile=ann)

        stolen = cluster.file("stolen.json")
        with open(ann, encoding="utf-8") as file:
            thief = json.load(file)
        with open(cluster.path("profile.json"), encoding="utf-8") as file:
            mine = json.load(file)
        thief["certificate"], thief["key"] = cluster.path(mine["certificate"]), cluster.path(mine["key"])
        with open(stolen, "w", encoding="utf-8") as file:
            json.dump(thief, file)
        cluster.bad(3, "TOKEN_NOT_YOURS", "get", "home/ann/x", "-", profile=stolen)

        code, _, err = auth(cluster, "key", "rotate")
        expect(code == 0, f"key rotate: {err.decode()}")
        expect(cluster.good("get", "home/ann/x", "-", profile=ann) == b"1", "a token of the old key, after the rotation")
        expect(login(cluster, "ann", password, ann)[0] == 0, "login after the rotation")
        expect(cluster.good("get", "home/ann/x", "-", profile=ann) == b"1", "a token of the new key")

        code, _, _ = auth(cluster, "user", "passwd", "ann", "--password-file", other)
        expect(code == 0 and login(cluster, "ann", password, ann)[0] == 3 and login(cluster, "ann", other, ann)[0] == 0, "passwd")
        code, _, err = auth(cluster, "user", "passwd", "bob", "--password-file", other)
        expect(code == 3 and b"NOT_FOUND" in err, f"passwd of nobody: {err.decode()}")
        cluster.good("logout", profile=ann)
        cluster.bad(3, "TOKEN_MISSING", "get", "home/ann/x", "-", profile=ann)


def test_without_the_server():
    with Cluster(data=3) as cluster:
        password = write(cluster, "bob.password", "secret of bob\n")
        profile = cluster.file("bob.json")
        cluster.kill("auth", signal.SIGTERM)
        wait_until(lambda: not cluster.is_running("auth"), 10, "auth stops")
        code, _, err = auth(cluster, "user", "add", "bob", "--password-file", password)
        expect(code == 0, f"user add without the server: {err.decode()}")
        code, out, _ = auth(cluster, "user", "list")
        expect(code == 0 and b"bob" in out, "user list without the server")
        cluster.up()
        expect(login(cluster, "bob", password, profile)[0] == 0, "login with it")
        cluster.good("put", "-", "bob", stdin=b"1", profile=profile)
        code, _, err = auth(cluster, "user", "remove", "bob")
        expect(code == 0 and login(cluster, "bob", password, profile)[0] == 3, "user remove while it runs")


def test_reload():
    """SIGHUP takes up new certificates and the log level; a bad configuration changes nothing."""
    with Cluster(data=3) as cluster:
        config = cluster.path("d1.json")
        shutil.copy(config, cluster.file("d1.json"))
        with open(config, encoding="utf-8") as file:
            changed = json.load(file)
        changed["log_level"] = "debug"
        with open(config, "w", encoding="utf-8") as file:
            json.dump(changed, file)
        cluster.kill("d1", signal.SIGHUP)
        wait_until(lambda: "log level and certificates are taken up" in cluster.log("d1"), 10, "reload")
        cluster.good("put", "-", "x", stdin=b"1")
        wait_until(lambda: " debug " in cluster.log("d1"), 10, "debug lines")
        with open(config, "w", encoding="utf-8") as file:
            file.write("{")
        cluster.kill("d1", signal.SIGHUP)
        wait_until(lambda: "nothing was changed" in cluster.log("d1"), 10, "a bad configuration is refused")
        cluster.good("put", "-", "y", stdin=b"1")
        shutil.copy(cluster.file("d1.json"), config)


if __name__ == "__main__":
    sys.exit(harness.main(sys.modules[__name__]))
