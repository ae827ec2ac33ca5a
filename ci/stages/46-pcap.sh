#!/usr/bin/env bash
# Captures are read by tshark with the dissector made from the schema: nothing malformed, no wrong checksum, the messages that the trace has. Some ten seconds.
set -euo pipefail
command -v tshark >/dev/null || { echo "no tshark: ci/setup installs it"; exit 1; }
sim=$BUILD_RELEASE/bin/dfs-sim
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$sim" dissector >"$work/dfs.lua"
"$sim" run sim/scenarios/crash-one-node.json --seed 1 --pcap "$work/run.pcapng" --trace "$work/run.trace" >/dev/null
read_capture() { tshark -n -r "$work/run.pcapng" -X "lua_script:$work/dfs.lua" -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE "$@" 2>"$work/said"; }
bad=$(read_capture -Y '_ws.malformed || _ws.lua.error || tcp.checksum.status == 0 || udp.checksum.status == 0 || tcp.analysis.lost_segment || tcp.analysis.retransmission' | head -5)
[ -z "$bad" ] || { echo "packets that tshark does not like:"; echo "$bad"; exit 1; }
# By kind: as many in the capture as arrived or were lost in the trace.
read_capture -Y dfs -T fields -E occurrence=a -e dfs.kind | tr ',' '\n' | sort | uniq -c >"$work/seen"
grep -oE ' (receive|lost) +(<-|->) [^ ]+ +#[0-9]+ [A-Z_]+' "$work/run.trace" | awk '{ print $NF }' | sort | uniq -c >"$work/wanted"
[ -s "$work/wanted" ] || { echo "the trace has no message"; exit 1; }
diff "$work/wanted" "$work/seen" || { echo "the trace (left) and the capture (right) differ"; exit 1; }
# A field's values: paths of PUT_OPEN as the decoder prints them.
read_capture -Y dfs.put_open.path -T fields -e dfs.put_open.path | sort >"$work/paths"
grep -E ' receive ' "$work/run.trace" | grep -oE 'PUT_OPEN\{operation=[^ ]+ path="[^"]*"' | cut -d'"' -f2 | sort | diff - "$work/paths" || { echo "paths differ"; exit 1; }
echo "$(awk '{ n += $1 } END { print n }' "$work/seen") messages of $(wc -l <"$work/seen") kinds read by tshark"
