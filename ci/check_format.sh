#!/usr/bin/env bash
# Every C file is as clang-format 14 writes it under .clang-format.
#
#   ci/check_format.sh [--fix]      --fix rewrites instead of complaining
#   ci/check_format.sh --self-test
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/ci/lib.sh"

tool=$(command -v clang-format-14 || command -v clang-format) || {
    echo "check_format: no clang-format-14: run ci/setup" >&2
    exit 2
}

format() { # ROOT OPTION...
    local root=$1
    shift
    (cd "$root" && project_c_files . | xargs -r -d '\n' -n 20 -P 2 "$tool" --style=file "$@")
}

case ${1:-} in
--fix) format "$root" -i ;;
--self-test)
    make_scratch
    cp "$root/.clang-format" "$scratch"
    printf 'int f(void)\n{\n    return 1;\n}\n' >"$scratch/a.c"
    format "$scratch" --dry-run -Werror || { echo "self-test: good code was refused"; exit 1; }
    printf 'int f( void ) {\n\treturn 1;\n}\n' >"$scratch/a.c"
    format "$scratch" --dry-run -Werror 2>/dev/null && { echo "self-test: bad code was accepted"; exit 1; }
    echo "check_format self-test: good code passes, bad code does not"
    ;;
*) format "$root" --dry-run -Werror || { echo "check_format: ci/check_format.sh --fix mends it" >&2; exit 1; } ;;
esac
