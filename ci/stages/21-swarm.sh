#!/usr/bin/env bash
# The swarm: each seed draws its own cluster, settings, workload, network and faults. More seeds: ci/soak.
set -euo pipefail
"$BUILD_RELEASE/bin/dfs-sim" sweep --seeds 1..600 -j 2
# The same code under sanitizers; fewer seeds, since they are ten times as slow.
"$BUILD_ASAN/bin/dfs-sim" sweep --seeds 601..612 -j 2
