#!/usr/bin/env bash
# What metadata holds for a block with three copies, its file and its path of 40 bytes included: below 250 bytes.
"$BUILD_RELEASE/tests/bench/bench_meta"
