#!/usr/bin/env bash
# Pages of runs in a browser, with a hand that clicks, filters and zooms: a small run, one of 100,000 messages, a failed expectation, a violation. Some ten seconds.
set -euo pipefail
exec tests/page/run "$BUILD_RELEASE/bin/dfs-sim"
