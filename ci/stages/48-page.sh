#!/usr/bin/env bash
# The page of a run in a browser: it draws as many messages as were kept, #t= narrows the view, and it asks the network for nothing. Some five seconds.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$BUILD_RELEASE/bin/dfs-sim" run sim/scenarios/crash-one-node.json --seed 1 --html "$work/run.html" >/dev/null
if grep -nE '(src|href)="?https?:' "$work/run.html"; then echo "the page asks for something from outside"; exit 1; fi
dom() { # FRAGMENT
    timeout 60 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --user-data-dir="$work/profile" --enable-logging=stderr --dump-dom \
        "file://$work/run.html$1" 2>"$work/said" | grep -oE '[0-9]+ of [0-9]+ messages here, [0-9]+ drawn' || true
    if grep -E 'CONSOLE.*(Error|error)' "$work/said"; then exit 1; fi
}
read -r all _ kept _ _ drawn _ <<<"$(dom '')"
[ "${all:-0}" -gt 1000 ] && [ "$all" = "$kept" ] && [ "$drawn" -gt 100 ] || { echo "the whole run: \"$all of $kept, $drawn drawn\""; exit 1; }
read -r some _ same _ <<<"$(dom '#t=7.1')"
[ "${some:-0}" -gt 10 ] && [ "$some" -lt "$all" ] && [ "$same" = "$kept" ] || { echo "a tenth of a second: \"$some of $same\""; exit 1; }
echo "$kept messages on the page, $drawn lines drawn; $some within a tenth of a second"
