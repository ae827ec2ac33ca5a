"""What the tests with real daemons share: a cluster in a temporary directory, commands and their outcome, expectations.

A test is a script: its functions named test_* run in the order of the file, each line of output names one; the exit code is 0 when
all held. DFS_BIN says where the programs are. Nothing is left running, whatever happens.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

BIN = os.path.abspath(os.environ.get("DFS_BIN", os.path.join(os.environ.get("BUILD_RELEASE", "build/release"), "bin")))

# A command that takes longer hangs: the busiest machine of ours needs a tenth of it.
COMMAND_S = 120

# The file's UUID, the block's index, its generation.
BLOCK_FILE = re.compile(r"[0-9a-f-]{36}-[0-9a-f]{8}-[0-9a-f]{8}")


class Failed(Exception):
    pass


def expect(condition, words):
    if not condition:
        raise Failed(words)


def program(name):
    return os.path.join(BIN, name)


def run(*command, stdin=None, env=None, timeout=COMMAND_S):
    """Exit code, standard output and standard error (bytes)."""
    whole = dict(os.environ)
    whole.update(env or {})
    done = subprocess.run([str(part) for part in command], input=stdin if stdin is not None else b"", capture_output=True,
                          env=whole, timeout=timeout, check=False)
    return done.returncode, done.stdout, done.stderr


def wait_until(condition, seconds, words):
    """Polls until the condition is true; its value."""
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise Failed(f"not within {seconds} s: {words}")
        time.sleep(0.1)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


class Cluster:
    """A cluster by `dfs local up`, with a scratch directory beside it."""

    def __init__(self, data=4, config=(), faults=False):
        self.top = tempfile.mkdtemp(prefix="dfs-real-")
        self.dir = os.path.join(self.top, "cluster")
        self.data = data
        self.config = list(config)
        self.faults = faults
        self.children = []

    def __enter__(self):
        try:
            self.up(*[word for pair in self.config for word in ("--config", pair)])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        run(program("dfs"), "local", "down", "--dir", self.dir)
        for child in self.children:
            child.wait(timeout=COMMAND_S)
        if os.environ.get("DFS_KEEP"):
            print(f"    kept: {self.top}")
        else:
            shutil.rmtree(self.top, ignore_errors=True)

    def up(self, *options):
        words = [program("dfs"), "local", "up", "--data", self.data, "--dir", self.dir, *options]
        if self.faults:
            words.append("--faults")
        code, out, err = run(*words)
        expect(code == 0, f"local up: exit {code}: {err.decode()}{out.decode()}")

    def up_without_waiting(self, name):
        """One daemon by its own command, as a supervisor would start it; `local down` ends it."""
        with open(self.path(f"{name}.log"), "ab") as log:
            process = subprocess.Popen([program(f"dfs-{self.daemons()[name]['role']}"), "--config", self.path(f"{name}.json")],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        with open(self.path(f"{name}.pid"), "w", encoding="utf-8") as file:
            file.write(f"{process.pid}\n")
        self.children.append(process)

    def file(self, name):
        return os.path.join(self.top, name)

    def path(self, name):
        return os.path.join(self.dir, name)

    def dfs(self, *words, stdin=None, profile=None, timeout=COMMAND_S):
        return run(program("dfs"), *words, stdin=stdin, timeout=timeout,
                   env={"DFS_PROFILE": profile or self.path("profile.json")})

    def good(self, *words, **options):
        """Standard output of a command that must succeed."""
        code, out, err = self.dfs(*words, **options)
        expect(code == 0, f"dfs {' '.join(str(word) for word in words)}: exit {code}: {err.decode()}")
        return out

    def json(self, *words):
        return json.loads(self.good(*words, "--json"))

    def bad(self, code, name, *words, **options):
        """The one line of a command that must fail with this exit code and status."""
        got, _, err = self.dfs(*words, **options)
        line = err.decode()
        expect(got == code and name in line and line.count("\n") == 1,
               f"dfs {' '.join(str(word) for word in words)}: expected exit {code} with {name}, got {got}: {line}")
        return line

    def daemons(self):
        with open(self.path("cluster.json"), encoding="utf-8") as file:
            return {daemon["name"]: daemon for daemon in json.load(file)["daemons"]}

    def pid(self, name):
        with open(self.path(f"{name}.pid"), encoding="utf-8") as file:
            return int(file.read())

    def kill(self, name, number=signal.SIGKILL):
        os.kill(self.pid(name), number)
        if number == signal.SIGKILL:
            wait_until(lambda: not self.is_running(name), 10, f"{name} ends")

    def is_running(self, name):
        code, out, _ = run(program("dfs"), "local", "status", "--dir", self.dir, "--json")
        expect(code in (0, 1), "local status")
        return any(daemon["name"] == name and daemon["running"] for daemon in json.loads(out))

    def states(self):
        return {node["name"]: node["state"] for node in self.json("nodes")}

    def wait_state(self, name, state, seconds):
        wait_until(lambda: self.states().get(name) == state, seconds, f"{name} is {state}; states {self.states()}")

    def copies(self, path):
        """The fewest copies on active servers of any block."""
        return min((sum(replica["state"] == "ACTIVE" for replica in block["replicas"])
                    for block in self.json("stat", path)["blocks"]), default=0)

    def stored(self):
        """The block files in the stores of all data servers, those of unfinished uploads too (`dfs nodes` counts only what files own)."""
        return [name for daemon, facts in self.daemons().items() if facts["role"] == "data"
                for name in os.listdir(self.path(daemon)) if BLOCK_FILE.fullmatch(name)]

    def log(self, name):
        with open(self.path(f"{name}.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def fault(self, name, command):
        """One line to a fault socket; the answer."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(self.path(f"{name}.fault"))
            connection.sendall(json.dumps(command).encode() + b"\n")
            return json.loads(connection.makefile().readline())

    def events(self, name):
        with open(self.path(f"{name}.events"), encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def random_file(self, name, count):
        path = self.file(name)
        with open(path, "wb") as file:
            while count > 0:
                piece = min(count, 1 << 24)
                file.write(os.urandom(piece))
                count -= piece
        return path


def main(module):
    """Runs the tests of a script; arguments choose some by name."""
    chosen = sys.argv[1:]
    failures = 0
    for name, function in list(vars(module).items()):
        if not name.startswith("test_") or not callable(function) or (chosen and name not in chosen):
            continue
        started = time.monotonic()
        try:
            function()
            outcome = "ok"
        except Failed as error:
            outcome = f"FAILED: {error}"
            failures += 1
        except Exception:  # pylint: disable=broad-except
            outcome = "FAILED: " + traceback.format_exc()
            failures += 1
        print(f"{name[5:]:40} {time.monotonic() - started:6.1f} s  {outcome}", flush=True)
    return 1 if failures else 0
