#!/usr/bin/env bash
# The trace for Perfetto, taken apart: it parses, arrows and slices pair up in order, messages and steps are as many as the run counted. Two seconds.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$BUILD_RELEASE/bin/dfs-sim" run sim/scenarios/crash-one-node.json --seed 1 --perfetto "$work/run.json" --trace "$work/run.trace" --json >"$work/result.json"
"$BUILD_RELEASE/bin/dfs-sim" run sim/scenarios/crash-one-node.json --seed 1 --json >"$work/alone.json"
python3 - "$work" <<'END'
import collections, json, re, sys
work = sys.argv[1]
events = json.load(open(f"{work}/run.json"))["traceEvents"]
result = json.load(open(f"{work}/result.json"))
assert result["trace_hash"] == json.load(open(f"{work}/alone.json"))["trace_hash"], "looking at the run changed it"
phases = collections.defaultdict(list)
last = {}
for e in events:
    phases[e["ph"]].append(e)
    if e["ph"] not in "MXst":  # a message is written when it arrives: its sending lies before
        track = (e["pid"], e.get("tid"))
        assert e["ts"] >= last.get(track, 0) or e["ph"] == "i", f"time goes back on {track}: {e}"
        last[track] = max(e["ts"], last.get(track, 0))
started = {e["id"]: e for e in phases["s"]}
assert len(started) == len(phases["s"]) == len(phases["t"]), "an arrow without its other end"
received_at = {}
for end in phases["t"]:
    begin = started.pop(end["id"])
    received_at[end["id"]] = end
    assert begin["ts"] <= end["ts"] and begin["name"] == end["name"], f"an arrow against time: {begin} {end}"
assert not started
# Steps: one after the other on their host's track, as many as the run counted; where an arrow goes on, there is one, and not before the message was there.
STEPS = 4
steps, track_end = set(), {}
for e in phases["X"]:
    if e["tid"] == STEPS:
        at = round(e["ts"] * 1000)
        assert at >= track_end.get(e["pid"], 0), f"steps of one host at once: {e}"
        track_end[e["pid"]] = at + round(e["dur"] * 1000)
        steps.add((e["pid"], at))
assert len(steps) == result["events"], f"{len(steps)} steps, the run counted {result['events']}"
ended = set()
for e in phases["f"]:
    arrival = received_at[e["id"]]
    assert e["id"] not in ended and (e["pid"], round(e["ts"] * 1000)) in steps and e["ts"] >= arrival["ts"] and e["pid"] == arrival["pid"], f"no step: {e}"
    ended.add(e["id"])
assert len(ended) > 0.95 * len(received_at), f"{len(ended)} of {len(received_at)} messages have their step"
open_slices = set()
for e in [e for e in events if e["ph"] in "be"]:
    key = (e["cat"], e["pid"], e["id"])
    if e["ph"] == "b":
        assert key not in open_slices, f"begun twice: {e}"
        open_slices.add(key)
    else:
        assert key in open_slices, f"ends without a beginning: {e}"
        open_slices.remove(key)
assert not [k for k in open_slices if k[0] == "operation"], "an operation has no end"
received = len(re.findall(r"^.{17} \S+ +receive +<- ", open(f"{work}/run.trace").read(), re.M))
assert received == len(phases["t"]), f"the trace has {received} messages received, Perfetto's file {len(phases['t'])}"
names = collections.Counter(e["name"] for e in phases["i"])
assert names["evicted"] == len(result["evictions"]) > 0, f"evictions: {names}"
counters = {"blocks with all copies", "blocks that lack copies", "blocks without a copy", "active data servers", "in flight"}
assert {e["name"] for e in phases["C"]} == counters
active = [e["args"]["value"] for e in phases["C"] if e["name"] == "active data servers"]
assert max(active) == min(active) + 1, f"one of five died: {min(active)} to {max(active)} were active"
assert any(e["args"]["value"] > 0 for e in phases["C"] if e["name"] == "blocks that lack copies"), "nothing ever lacked copies"
print(f"{len(events)} events, {len(phases['t'])} arrows, {len(steps)} steps, {len(phases['b'])} slices, {len(phases['i'])} instants, {received} received")
END
