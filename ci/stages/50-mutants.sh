#!/usr/bin/env bash
# Each planted bug still applies to the code, and the checker that tests/mutants/table names sees it.
set -euo pipefail
tests/mutants/run --check
tests/mutants/run -j 2
