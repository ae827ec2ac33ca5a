#!/usr/bin/env bash
# Each planted bug still applies to the code. Those whose files have changed lately, and a few others, are planted, and must be seen by whom tests/mutants/table names.
# ci/soak plants all.
set -euo pipefail
tests/mutants/run --check
base=${CI_BASE:-$(git rev-parse -q --verify HEAD~2 2>/dev/null || true)} # as clang-tidy's
if [ -n "$base" ]; then
    tests/mutants/run -j 2 --changed "$base" --sample 4
else
    tests/mutants/run -j 2
fi
