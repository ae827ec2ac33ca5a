#!/usr/bin/env bash
# 1 GiB PUT and GET on a loopback cluster of four with three copies: without syncs (the figure with a target), then with them.
set -euo pipefail
python3 ci/benches/cluster.py --durability async --json reports/bench-cluster-async.json
python3 ci/benches/cluster.py --durability sync --json reports/bench-cluster-sync.json
