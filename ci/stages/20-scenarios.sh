#!/usr/bin/env bash
# Every scenario file, some seeds each. Failures of the past with the seed that each names, at which it was seen, and a few others.
set -euo pipefail
sim=$BUILD_RELEASE/bin/dfs-sim
"$sim" check sim/scenarios/*.json
"$sim" sweep sim/scenarios/*.json --seeds 1..10 -j 2
"$sim" sweep sim/scenarios/regressions/*.json --seeds own -j 2
"$sim" sweep sim/scenarios/regressions/*.json --seeds 1..3 -j 2
