#!/usr/bin/env bash
# No path of the machines that was covered may go uncovered; none may be taken that core does not declare. A fixed set of runs: about ten seconds.
set -euo pipefail
coverage/paths --build "$BUILD_RELEASE"
