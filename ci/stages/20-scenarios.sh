#!/usr/bin/env bash
# Every scenario file, some seeds each; and every broken one says what is wrong with it.
set -euo pipefail
sim=$BUILD_RELEASE/bin/dfs-sim
"$sim" check sim/scenarios/*.json
"$sim" sweep sim/scenarios/*.json --seeds 1..10 -j 2
if compgen -G 'sim/scenarios/regressions/*.json' >/dev/null; then
    "$sim" sweep sim/scenarios/regressions/*.json --seeds 1..3 -j 2
fi
