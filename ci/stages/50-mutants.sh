#!/usr/bin/env bash
# Planted bugs still apply to the code; all of them are run by ci/soak (tests/mutants/run).
set -euo pipefail
tests/mutants/run --check
