#!/usr/bin/env python3
"""What is typed or configured wrongly ends with exit 2 and one line that names the nearest valid thing."""

import json
import os
import sys
import tempfile

import harness
from harness import expect, program, run

# Command line -> the line.
USAGE = (
    ("dfs", "dfs: which command? see dfs --help"),
    ("dfs putt x y", 'dfs: unknown command "putt"; did you mean "put"?'),
    ("dfs put", "dfs: put: a local file is missing; usage: dfs put LOCAL... PATH"),
    ("dfs put x", "dfs: put: the path in the cluster is missing; usage: dfs put LOCAL... PATH"),
    ("dfs put --bloc-size 4MB x y", "dfs: put: unknown option --bloc-size; did you mean --block-size?"),
    ("dfs put --block-size 4 x y", None),
    ("dfs put --block-size 11MB x y", "dfs: put: --block-size: 11MB must be from 100KB to 10MB"),
    ("dfs put --block-size 99KB x y", "dfs: put: --block-size: 99KB must be from 100KB to 10MB"),
    ("dfs put x a//b", 'dfs: put: "a//b" is no path; did you mean "a/b"?'),
    ("dfs put x ../b", 'dfs: put: "../b" is no path; did you mean "b"?'),
    ("dfs put x ./b//", 'dfs: put: "./b/" is no path; did you mean "b"?'),
    ("dfs stat a/../b", 'dfs: stat: "a/../b" is no path; did you mean "b"?'),
    ("dfs mv a b/", 'dfs: mv: "b/" is no path; did you mean "b"?'),
    ("dfs rm a ..", None),
    ("dfs get a/b/ -", 'dfs: get: "a/b/" is no path; did you mean "a/b"?'),
    ("dfs put --ack most x y", 'dfs: put: --ack: "most" must be "all" or "quorum"'),
    ("dfs put --ack", "dfs: put: option --ack needs a value"),
    ("dfs put --if-absent=yes x y", "dfs: put: option --if-absent takes no value"),
    ("dfs put -z x y", "dfs: put: unknown option -z; see --help"),
    ("dfs get x", "dfs: get: the local file is missing; usage: dfs get PATH... LOCAL"),
    ("dfs get --range 9-5 x y",
     'dfs: get: --range: "9-5" is no range; write FIRST-LAST such as 0-499, or FIRST- for the rest'),
    ("dfs get a b -", 'dfs: get: only one path goes to standard output; "b" is not it'),
    ("dfs mv x", "dfs: mv: a path is missing; usage: dfs mv PATH TO"),
    ("dfs stat --version 0 x", 'dfs: stat: --version: "0" is no version; see dfs versions PATH'),
    ("dfs nodes x", 'dfs: nodes: "x" is not expected here; usage: dfs nodes'),
    ("dfs local upp", 'dfs: local: unknown command "upp"; did you mean "up"?'),
    ("dfs local up --data 0", "dfs: local: --data: 0 must be from 1 to 64"),
    ("dfs-data", "dfs-data: which configuration? say --config FILE; --help-config shows its keys"),
    ("dfs-data --confg x", "dfs-data: unknown option --confg; did you mean --config?"),
    ("dfs-meta --fresh-store --config x", None),
    ("dfs-meta --log-format xml --config x", 'dfs-meta: --log-format: "xml" must be "text" or "json"'),
    ("dfs-auth user ad ann", 'dfs-auth: user: unknown command "ad"; did you mean "add"?'),
    ("dfs-auth user add", "dfs-auth: user add: the user's name is missing"),
    ("dfs-auth key", "dfs-auth: key: what? rotate"),
)

# Program, configuration -> the line behind "FILE:".
CONFIG = (
    ("dfs-data", '{"zon": "z1"}', '1: key "zon": unknown key; did you mean "zone"?'),
    ("dfs-data", '{\n"listen": "127.0.0.1"}', '2: key "listen": "127.0.0.1" is no address; write HOST:PORT, for example '
     '"127.0.0.1:7401" or "[::1]:7401"'),
    ("dfs-data", '{"listen": "127.0.0.1:99999"}', '1: key "listen": "127.0.0.1:99999": the port must be a number from 0 to 65535'),
    ("dfs-data", '{"replication": 3}', None),
    ("dfs-meta", '{"replication": 0}', None),
    ("dfs-meta", '{"replication": "three"}', None),
    ("dfs-meta", '{"heartbeat_interval": "0s"}', None),
    ("dfs-meta", '{"heartbeat_interval": 1}', None),
    ("dfs-meta", '{"cluster": "abc"}', '1: key "cluster": must be a UUID such as "6fa459ea-ee8a-4ca4-894e-db77e160355e", not '
     'the text "abc"'),
    ("dfs-meta", '{"block_min": "9MB", "block_max": "1MB"}', None),
    ("dfs-meta", '{"log_level": "loud"}', None),
    ("dfs-auth", '{"scrypt_n": 20000}', None),
    ("dfs-auth", '{"token_lifetime": "15m", "token_lifetime": "16m"}', None),
    ("dfs-auth", '{', None),
    ("dfs-auth", '[]', None),
    ("dfs-auth", '', None),
)


def test_usage():
    for words, line in USAGE:
        first, *rest = words.split()
        code, out, err = run(program(first), *rest, env={"DFS_PROFILE": "/nonexistent/profile.json"})
        text = err.decode()
        expect(code == 2, f"{words}: exit {code}: {text}")
        expect(out == b"" and text.count("\n") == 1 and text.startswith(first + ": "), f"{words}: not one line: {text}")
        expect(line is None or text == line + "\n", f"{words}:\n  expected {line}\n  got      {text}")


def test_what_a_terminal_would_obey():
    """Control characters of a path are not sent to the terminal, and do not make two lines of one."""
    for path in ("a\nb", "a\x1b[31mb", "a\x7fb\x9b"):
        code, _, err = run(program("dfs"), "stat", path, env={"DFS_PROFILE": "/nonexistent/profile.json"})
        expect(code == 2 and err.count(b"\n") == 1 and b"\x1b" not in err and b"is no path" in err, f"{path!r}: {code}: {err!r}")
    code, _, err = run(program("dfs"), "rm", "a/" * 600 + "b", env={"DFS_PROFILE": "/nonexistent/profile.json"})
    expect(code == 3 and b"TOO_LARGE" in err and b"at most 1024 bytes" in err and len(err) < 400, f"a long path: {code}: {err!r}")


def test_config():
    with tempfile.TemporaryDirectory() as top:
        for name, text, line in CONFIG:
            file = os.path.join(top, "config.json")
            with open(file, "w", encoding="utf-8") as out:
                out.write(text)
            code, _, err = run(program(name), "--check-config", "--config", file)
            got = err.decode()
            expect(code == 2, f"{name} {text}: exit {code}: {got}")
            expect(got.count("\n") == 1 and got.startswith(file + ":"), f"{name} {text}: {got}")
            expect(line is None or got == f"{file}:{line}\n", f"{name} {text}:\n  expected {line}\n  got      {got}")
        code, _, err = run(program("dfs-meta"), "--check-config", "--config", os.path.join(top, "none.json"))
        expect(code == 2 and b"none.json" in err, "a file that is not there")
        with open(file, "w", encoding="utf-8") as out:
            json.dump({"heartbeat_interval": "2s", "log_level": "debug"}, out)
        code, out, err = run(program("dfs-meta"), "--check-config", "--config", file)
        expect(code == 0 and err == b"", f"a good file: {err.decode()}")


def test_help():
    for name in ("dfs", "dfs-auth", "dfs-meta", "dfs-data"):
        code, out, err = run(program(name), "--help")
        expect(code == 0 and err == b"" and out.startswith(b"usage: " + name.encode()), f"{name} --help")
        code, out, err = run(program(name), "--version")
        expect(code == 0 and out.startswith(name.encode() + b" "), f"{name} --version")
    for name in ("dfs-auth", "dfs-meta", "dfs-data"):
        code, out, err = run(program(name), "--help-config")
        expect(code == 0 and b"listen" in out and b"request_timeout" in out, f"{name} --help-config")
    for command in ("login", "logout", "whoami", "put", "get", "ls", "stat", "versions", "mv", "rm", "restore", "nodes", "local",
                    "status", "fsck", "explain", "drain", "undrain", "bench"):
        code, out, err = run(program("dfs"), command, "--help")
        expect(code == 0 and err == b"" and f"usage: dfs {command}".encode() in out, f"dfs {command} --help")


if __name__ == "__main__":
    sys.exit(harness.main(sys.modules[__name__]))
