#!/usr/bin/env bash
# Captures are read by tshark with the dissector made from the schema: nothing malformed, no wrong checksum, the messages that the trace has, each field of each as our decoder reads it.
set -euo pipefail
command -v tshark >/dev/null || { echo "no tshark: ci/setup installs it"; exit 1; }
sim=$BUILD_RELEASE/bin/dfs-sim
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$sim" dissector >"$work/dfs.lua"
tests/wireshark/compare.py "$work/dfs.lua" "$BUILD_RELEASE/tests/wireshark/decode" samples tests/golden/wire.txt
read_capture() { tshark -n -r "$work/run.pcapng" -X "lua_script:$work/dfs.lua" -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE "$@" 2>"$work/said"; }
by_kind() { tr ',' '\n' | sort | uniq -c; }
for scenario in crash-one-node killed-in-repair; do
    "$sim" run "sim/scenarios/$scenario.json" --seed 1 --pcap "$work/run.pcapng" --trace "$work/run.trace" >/dev/null
    bad=$(read_capture -Y '_ws.malformed || _ws.lua.error || tcp.checksum.status == 0 || udp.checksum.status == 0 || tcp.analysis.retransmission' | head -5)
    [ -z "$bad" ] || { echo "$scenario: packets that tshark does not like:"; echo "$bad"; exit 1; }
    # By kind: as many in the capture as arrived or were lost in the trace.
    read_capture -Y dfs -T fields -E occurrence=a -e dfs.kind | by_kind >"$work/seen"
    grep -oE ' (receive|lost) +(<-|->) [^ ]+ +#[0-9]+ [A-Z_]+' "$work/run.trace" | awk '{ print $NF }' | by_kind >"$work/wanted"
    [ -s "$work/wanted" ] || { echo "the trace has no message"; exit 1; }
    diff "$work/wanted" "$work/seen" || { echo "$scenario: the trace (left) and the capture (right) differ"; exit 1; }
    # What was sent and never delivered stands at its sender, with a comment; a crash loses frames of streams.
    read_capture -Y 'dfs && frame.comment contains "lost on the way"' -T fields -E occurrence=a -e dfs.kind | by_kind >"$work/seen"
    grep -oE ' lost +-> [^ ]+ +#[0-9]+ [A-Z_]+' "$work/run.trace" | awk '{ print $NF }' | by_kind >"$work/wanted"
    diff "$work/wanted" "$work/seen" || { echo "$scenario: lost in the trace (left) and in the capture (right) differ"; exit 1; }
    [ "$scenario" != killed-in-repair ] || grep -q BLOCK_COPY "$work/wanted" || { echo "the crash lost no frame of a copy"; exit 1; }
    tests/wireshark/compare.py "$work/dfs.lua" "$BUILD_RELEASE/tests/wireshark/decode" capture "$work/run.pcapng"
done
