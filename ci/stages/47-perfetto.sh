#!/usr/bin/env bash
# The trace for Perfetto, taken apart: it parses, arrows and slices pair up in order, messages are as many as the run counted. Two seconds.
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
    if e["ph"] not in "MXs":  # a message is written when it arrives: its sending lies before
        track = (e["pid"], e.get("tid"))
        assert e["ts"] >= last.get(track, 0) or e["ph"] == "i", f"time goes back on {track}: {e}"
        last[track] = max(e["ts"], last.get(track, 0))
started = {e["id"]: e for e in phases["s"]}
assert len(started) == len(phases["s"]) == len(phases["f"]), "an arrow without its other end"
for end in phases["f"]:
    begin = started.pop(end["id"])
    assert begin["ts"] <= end["ts"] and begin["name"] == end["name"], f"an arrow against time: {begin} {end}"
assert not started
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
assert received == len(phases["f"]), f"the trace has {received} messages received, Perfetto's file {len(phases['f'])}"
names = collections.Counter(e["name"] for e in phases["i"])
assert names["evicted"] == len(result["evictions"]) > 0, f"evictions: {names}"
assert {e["name"] for e in phases["C"]} == {"blocks that lack copies", "in flight"}
assert any(e["args"]["value"] > 0 for e in phases["C"] if e["name"] == "blocks that lack copies"), "nothing ever lacked copies"
print(f"{len(events)} events, {len(phases['f'])} arrows, {len(phases['b'])} slices, {len(phases['i'])} instants, {received} received")
END
