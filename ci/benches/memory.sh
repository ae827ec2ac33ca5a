#!/usr/bin/env bash
# What a PUT and a GET of 10 GiB need of memory, a process: at most 128 MiB. The disk has to have 41 GiB of room.
set -euo pipefail
python3 ci/benches/cluster.py --memory --json reports/bench-memory.json
