"""Paths of the machines: what core declares, what runs and tests took, and both in words.

A path is (machine, state, event, next state). Declarations come from `dfs-sim paths --json`; what was taken from files of one JSON object a line,
as `dfs-sim sweep --coverage` and the unit tests (DFS_PATHS_FILE) write them.
"""

import json
import subprocess


class Declared:
    """The machines, in the order of their declaration."""

    def __init__(self, program):
        text = subprocess.run([program, "paths", "--json"], check=True, stdout=subprocess.PIPE, text=True).stdout
        self.machines = json.loads(text)
        self.by_name = {machine["machine"]: machine for machine in self.machines}
        self.paths = [(machine["machine"], *path) for machine in self.machines for path in machine["paths"]]
        self.all = set(self.paths)

    def is_outcome(self, path):
        """Does it end an operation with a status? A peer may answer any, so those are not all declared."""
        return path[2].isupper()


class Taken:
    """How often each path was taken, by where it was seen."""

    def __init__(self):
        self.counts = {}   # path: times
        self.sources = {}  # path: {source: runs}

    def read(self, file_name, source):
        try:
            with open(file_name, encoding="utf-8") as file:
                lines = file.readlines()
        except FileNotFoundError:
            lines = []
        for number, line in enumerate(lines, 1):
            try:
                said = json.loads(line)
                path = (said["machine"], said["from"], said["why"], said["to"])
                count, runs = int(said["count"]), int(said["runs"])
            except (ValueError, KeyError) as error:
                raise SystemExit(f"{file_name}:{number}: no path: {error}") from error
            self.counts[path] = self.counts.get(path, 0) + count
            by = self.sources.setdefault(path, {})
            by[source] = by.get(source, 0) + runs
        return len(lines)

    def undeclared(self, declared):
        """What the machines did and core does not say that they may."""
        return sorted(path for path in self.counts if path not in declared.all and not declared.is_outcome(path))


def in_words(declared, path):
    """One path: "metadata's member in DRAINING received JOIN and went to JOINING"."""
    machine, state, event, after = path
    known = declared.by_name.get(machine)
    if known is None or event not in known["events"]:
        return f"{machine} in {state}: {event} -> {after}"
    end = "stayed there" if after == state else f"went to {after}"
    return f"{known['who']} in {state} {known['events'][event]['words']} and {end}"


def or_list(words):
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def never_of(who, state, words, afters, missing):
    """What of one event in one state was never seen, as a sentence."""
    stays, others = state in missing, [after for after in missing if after != state]

    if len(missing) == len(afters):
        ends = (["stay there"] if stays else []) + ([f"go to {or_list(others)}"] if others else [])
        return f"{who} in {state} never {words} (it would {or_list(ends)})"
    ends = (["stayed there"] if stays else []) + ([f"went to {or_list(others)}"] if others else [])
    return f"{who} in {state} {words}, but never {or_list(ends)} by that"


def never(declared, taken):
    """[(machine, [sentence, ...], paths), ...]: what was never taken, one sentence for each (state, event), and how many paths that is."""
    result = []
    for machine in declared.machines:
        name = machine["machine"]
        groups = {}
        for state, event, after in machine["paths"]:
            groups.setdefault((state, event), []).append(after)
        sentences, paths = [], 0
        for (state, event), afters in groups.items():
            missing = [after for after in afters if (name, state, event, after) not in taken.counts]
            paths += len(missing)
            if missing:
                sentences.append(never_of(machine["who"], state, machine["events"][event]["words"], afters, missing))
        if sentences:
            result.append((name, sentences, paths))
    return result


def figures(declared, taken):
    """[(machine, taken, declared), ...]"""
    return [(machine["machine"],
             sum((machine["machine"], *path) in taken.counts for path in machine["paths"]), len(machine["paths"]))
            for machine in declared.machines]
