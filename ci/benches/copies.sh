#!/usr/bin/env bash
# How many bytes our code copies in user space while 256 MiB go into a cluster of four with three copies and come back, as a share of the bytes that are
# moved between sockets and files (4 times the file for a PUT: each hop's socket to its file, and the client's file to its socket; 2 times for a GET). At most
# 1 % may be copied.
set -euo pipefail
ci/build copies >build/bench-build-copies.log 2>&1 || {
    tail -n 40 build/bench-build-copies.log
    exit 1
}
bin=$PWD/build/ci/copies/bin
top=$(mktemp -d)
export DFS_PROFILE=$top/cluster/profile.json
trap '"$bin/dfs" local down --dir "$top/cluster" >/dev/null 2>&1 || true; rm -rf "$top"' EXIT

size=$((256 << 20)) limit=1
head -c "$size" /dev/urandom >"$top/source"

measure() { # WORDS BYTES_MOVED COMMAND...
    local words=$1 moved=$2
    shift 2
    rm -f "$top/copies"
    DFS_COPIES=$top/copies "$bin/dfs" local up --data 4 --dir "$top/cluster" >/dev/null
    DFS_COPIES=$top/copies "$bin/dfs" "$@" >/dev/null
    DFS_COPIES=$top/copies "$bin/dfs" local down --dir "$top/cluster" >/dev/null
    awk -v words="$words" -v moved="$moved" -v limit="$limit" '
        { bytes[$2] += $1; all += $1 }
        END {
            share = 100 * all / moved
            printf "%s: %.2f MiB copied of %.0f MiB moved, %.3f %%:", words, all / 1048576, moved / 1048576, share
            for (name in bytes) printf "  %s %.2f MiB", name, bytes[name] / 1048576
            print ""
            exit share > limit
        }' "$top/copies"
}

worst=0
measure "PUT" $((4 * size)) put "$top/source" copies/file || worst=1
measure "GET" $((2 * size)) get copies/file "$top/target" || worst=1
cmp "$top/source" "$top/target"
exit $worst
